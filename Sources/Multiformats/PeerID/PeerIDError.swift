/// Why text or bytes are no peer id.
public enum PeerIDError: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    /// Characters of text, or bytes of an id, over the limit.
    case tooLong(count: Int, maximum: Int)
    /// The first character starts neither a base58btc multihash (`1`, `Qm`) nor a CID in a known multibase.
    case unknownPrefix(UInt8)
    case digits(BaseError)
    case varint(VarintError)
    /// A CID of another version than 1.
    case version(UInt64)
    /// A CID of something else than a libp2p key (0x72).
    case codec(UInt64)
    case multihash(MultihashError)
    /// A hash function other than identity (0x00) and SHA-256 (0x12).
    case hashFunction(UInt64)
    /// A digest whose length its hash function does not give: identity 1 to 42 bytes, SHA-256 exactly 32.
    case digestLength(hashFunction: UInt64, count: Int)

    public var description: String {
        func hex(_ code: UInt64) -> String { "0x" + String(code, radix: 16) }
        return switch self {
        case .empty: "a peer id is empty"
        case .tooLong(let count, let maximum): "a peer id has length \(count), over the limit of \(maximum)"
        case .unknownPrefix(let byte):
            "a peer id starts with byte \(hex(UInt64(byte))), which is neither 1, Qm nor a known multibase prefix"
        case .digits(let error): "the digits of a peer id are invalid: \(error)"
        case .varint(let error): "the CID of a peer id is invalid: \(error)"
        case .version(let version): "the CID of a peer id has version \(version), not 1"
        case .codec(let codec): "the CID of a peer id has codec \(hex(codec)), not libp2p-key (0x72)"
        case .multihash(let error): "the multihash of a peer id is invalid: \(error)"
        case .hashFunction(let code):
            "a peer id uses hash function \(hex(code)), neither identity (0x0) nor SHA-256 (0x12)"
        case .digestLength(let code, let count):
            "a peer id has a digest of \(count) bytes, impossible for hash function \(hex(code))"
        }
    }
}
