import Crypto
import Multiformats

@testable import KadLibp2p

/// Keys that are the same each time, so that an input does the same each time.
struct FuzzKeys: Sendable {
    let dialer, listener, stranger: KeyPair
    let ephemerals: [Curve25519.KeyAgreement.PrivateKey]

    static let fixed: FuzzKeys = {
        // 32 equal bytes are a key of either kind.
        func keys(_ byte: UInt8) -> KeyPair? { try? KeyPair(seed: [UInt8](repeating: byte, count: 32)) }
        func ephemeral(_ byte: UInt8) -> Curve25519.KeyAgreement.PrivateKey? {
            try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: byte, count: 32))
        }
        guard let dialer = keys(1), let listener = keys(2), let stranger = keys(6), let first = ephemeral(3),
            let second = ephemeral(4)
        else { preconditionFailure("these are keys") }
        return FuzzKeys(dialer: dialer, listener: listener, stranger: stranger, ephemerals: [first, second])
    }()
}
