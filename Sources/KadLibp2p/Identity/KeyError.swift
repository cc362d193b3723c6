/// Why bytes are no key, or a key cannot be used.
public enum KeyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Neither a message of a key, nor one in the only form that is read.
    case malformed
    /// Over the limit, in bytes.
    case tooLong(count: Int, limit: Int)
    /// An RSA key outside ``PublicKey/rsaBits``.
    case rsaSize(bits: Int)
    /// A key whose signatures cannot be made or checked here.
    case unsupported(PublicKey.Algorithm)
    /// The two halves of a private key do not belong together.
    case mismatchedHalves
    /// The library did not sign.
    case signing

    public var description: String {
        switch self {
        case .malformed: "a key is not in its libp2p form"
        case .tooLong(let count, let limit): "a key has \(count) bytes, over the limit of \(limit)"
        case .rsaSize(let bits):
            "an RSA key has \(bits) bits, not \(PublicKey.rsaBits.lowerBound) to \(PublicKey.rsaBits.upperBound)"
        case .unsupported(let algorithm): "\(algorithm) keys are not supported"
        case .mismatchedHalves: "the public half of a private key belongs to another key"
        case .signing: "the cryptographic library could not sign"
        }
    }
}
