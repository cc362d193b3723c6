import ArgumentParser
import KadLibp2p
import KadNode

/// Whose values are taken: those that can be judged, and on request those of other namespaces as they come.
enum AcceptedNamespaces {
    static func check(_ names: [String]) throws {
        for name in names {
            guard !name.isEmpty, !name.contains("/"), name.utf8.count <= 64 else {
                throw ValidationError("--accept takes the name of a namespace, without slashes.")
            }
            guard ![PublicKeyRecordValidator.namespace, IPNSRecordValidator.namespace].contains(name) else {
                throw ValidationError("Values under /\(name)/ are taken when they are valid, and not otherwise.")
            }
        }
    }

    static func validators(_ names: [String]) -> RecordValidators {
        var all: [String: any RecordValidator] = [
            PublicKeyRecordValidator.namespace: PublicKeyRecordValidator(),
            IPNSRecordValidator.namespace: IPNSRecordValidator(),
        ]
        for name in names { all[name] = AnyRecordValidator() }
        return RecordValidators(all)
    }
}
