import KadNode

extension RecordValidators {
    /// The validators of libp2p's namespaces, `/pk` and `/ipns`, whose values prove themselves.
    ///
    /// - Parameter namespaces: others whose values are taken as they come, from anybody; see ``AnyRecordValidator``. `/pk` and `/ipns`
    ///   cannot be opened like this.
    public static func libp2p(accepting namespaces: [String] = []) -> RecordValidators {
        var all: [String: any RecordValidator] = [:]
        for name in namespaces { all[name] = AnyRecordValidator() }
        all[PublicKeyRecordValidator.namespace] = PublicKeyRecordValidator()
        all[IPNSRecordValidator.namespace] = IPNSRecordValidator()
        return RecordValidators(all)
    }
}
