/// Why a Noise handshake or connection failed.
enum NoiseError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A message with fewer bytes than its parts need.
    case truncated
    /// A handshake message over the limit, in bytes.
    case tooLong(count: Int, limit: Int)
    /// Bytes that were not sealed with the key, number and context that they should have been: changed, repeated or invented.
    case authentication
    /// A public key of low order: the secret would be known to all.
    case weakKey
    /// What the other end says of itself is no message.
    case payload
    /// The key that the other end claims is none, or its signatures cannot be checked.
    case key(KeyError)
    /// The other end does not own the key that it claims.
    case badSignature
    /// Every number that a key may be used with has been used.
    case nonceExhausted
    /// The message is not this end's to write or read now.
    case outOfTurn
    /// The library did not do its part.
    case library

    var description: String {
        switch self {
        case .truncated: "a Noise message is truncated"
        case .tooLong(let count, let limit): "a Noise handshake message has \(count) bytes, over the limit of \(limit)"
        case .authentication: "a Noise message is not authentic"
        case .weakKey: "a public key of the Noise handshake has low order"
        case .payload: "the payload of the Noise handshake is malformed"
        case .key(let error): "the identity key of the Noise handshake cannot be used: \(error)"
        case .badSignature: "the identity signature of the Noise handshake is wrong"
        case .nonceExhausted: "all nonces of a Noise connection are used"
        case .outOfTurn: "a message of the Noise handshake is out of turn"
        case .library: "the cryptographic library failed"
        }
    }
}
