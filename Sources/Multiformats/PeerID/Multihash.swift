/// Why bytes are no multihash.
public enum MultihashError: Error, Hashable, Sendable, CustomStringConvertible {
    case varint(VarintError)
    /// The declared length of the digest, and the bytes that are there.
    case digestLength(declared: UInt64, actual: Int)

    public var description: String {
        switch self {
        case .varint(let error): error.description
        case .digestLength(let declared, let actual): "a digest of \(declared) bytes is declared, \(actual) are there"
        }
    }
}

/// A self-describing hash: varint code of the function, varint length, digest.
struct Multihash {
    static let identity: UInt64 = 0x00
    static let sha256: UInt64 = 0x12

    let code: UInt64
    let digestCount: Int

    /// Reads a multihash that fills `bytes` exactly.
    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(MultihashError) {
        var offset = 0
        let length: UInt64
        do throws(VarintError) {
            code = try Varint.read(from: bytes, at: &offset, byteLimit: Varint.multiformatsByteLimit)
            length = try Varint.read(from: bytes, at: &offset, byteLimit: Varint.multiformatsByteLimit)
        } catch {
            throw .varint(error)
        }
        digestCount = bytes.count - offset
        guard length == UInt64(digestCount) else { throw .digestLength(declared: length, actual: digestCount) }
    }
}
