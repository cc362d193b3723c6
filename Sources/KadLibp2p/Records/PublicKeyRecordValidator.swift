import KadNode
import Kademlia

/// Public keys, under `/pk/<peer id>`: for peers whose ids are hashes of their keys (RSA, ECDSA).
public struct PublicKeyRecordValidator: RecordValidator {
    public static let namespace = "pk"

    public init() {}

    /// Admits the `PublicKey` message that the peer id is made of.
    ///
    /// - Throws: ``RecordFault``: `unknownNamespace`, `malformed`, `contradictory` for another peer's key.
    public func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        let peer = try RecordKey.peer(in: key, namespace: Self.namespace)
        guard let publicKey = try? PublicKey(encoded: value) else { throw .malformed }
        guard publicKey.peerID == peer else { throw .contradictory }
    }

    /// A peer has one key: all valid values are equal.
    public func select(key: [UInt8], among values: [[UInt8]]) -> Int { 0 }
}
