/// Content identifiers (CIDs) as far as a DHT needs them: providers are kept under the multihash within.
public enum ContentID {
    /// The most bytes of text that are read.
    public static let textLimit = 256

    /// The multihash that a CID names: of version 0 (`Qm…`) the whole, of version 1 what follows version and codec.
    ///
    /// - Returns: nil for text that is no CID.
    public static func multihash(of text: some StringProtocol) -> [UInt8]? {
        withUTF8(of: text) { utf8 in
            guard (2...textLimit).contains(utf8.count), let prefix = utf8.first else { return nil }
            if utf8.count == 46, prefix == UInt8(ascii: "Q") {
                let bytes = decoded(utf8, as: Base58.self)
                return bytes.flatMap { isMultihash($0[...]) && $0.starts(with: [0x12, 0x20]) ? $0 : nil }
            }
            guard let base = Multibase.base(prefix: prefix) else { return nil }
            guard let bytes = decoded(UnsafeBufferPointer(rebasing: utf8.dropFirst()), as: base) else { return nil }
            var rest = bytes[...]
            guard (try? Varint.read(from: &rest, byteLimit: Varint.multiformatsByteLimit)) == 1,
                (try? Varint.read(from: &rest, byteLimit: Varint.multiformatsByteLimit)) != nil, isMultihash(rest)
            else { return nil }
            return Array(rest)
        }
    }

    private static func decoded(_ text: UnsafeBufferPointer<UInt8>, as base: any TextBase.Type) -> [UInt8]? {
        var bytes: [UInt8] = []
        guard (try? base.decode(utf8: text, appendingTo: &bytes)) != nil else { return nil }
        return bytes
    }

    /// Whether bytes are one multihash: code, length and a digest of that length.
    public static func isMultihash(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer { (try? Multihash($0)) != nil }
    }
}
