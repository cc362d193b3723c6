import KadNode
import Kademlia
import Multiformats

/// IPNS records, under `/ipns/<peer id>`: what a peer says that its name stands for, signed by it.
///
/// Version 2 of the signature counts; version 1 proves nothing and is not looked at. Keys whose signatures cannot be checked here
/// (secp256k1) make a record unverifiable.
public struct IPNSRecordValidator: RecordValidator {
    public static let namespace = "ipns"

    /// What stands before the signed bytes.
    private static let signaturePrefix = Array("ipns-signature:".utf8)

    public init() {}

    /// - Throws: ``RecordFault``: `unknownNamespace`, `malformed`, `contradictory`, `badSignature`, `unverifiable`, `expired`.
    public func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        let name = try RecordKey.peer(in: key, namespace: Self.namespace)
        let record = try IPNSRecord(value)
        let publicKey = try Self.key(of: name, record)
        let isGenuine: Bool
        do throws(KeyError) {
            isGenuine = try publicKey.isSignature(record.signature, of: Self.signaturePrefix + record.data)
        } catch {
            throw .unverifiable
        }
        guard isGenuine else { throw .badSignature }
        guard now <= record.validUntil else { throw .expired }
    }

    /// The highest sequence number counts, among equal ones the longest validity. The values are valid, so their signatures are
    /// not checked again.
    public func select(key: [UInt8], among values: [[UInt8]]) -> Int {
        var best: (index: Int, record: IPNSRecord)?
        for (index, value) in values.enumerated() {
            guard let record = try? IPNSRecord(value) else { continue }
            guard let standing = best?.record else {
                best = (index, record)
                continue
            }
            if (record.sequence, record.validUntil) > (standing.sequence, standing.validUntil) {
                best = (index, record)
            }
        }
        return best?.index ?? 0
    }

    /// The key that a name is made of: in the record, or in the name itself.
    private static func key(of name: PeerID, _ record: IPNSRecord) throws(RecordFault) -> PublicKey {
        let key: PublicKey
        do throws(KeyError) {
            // An identity multihash: its code (0), its length, the key.
            let isInline = name.bytes.first == 0x00
            guard let encoded = record.publicKey ?? (isInline ? Array(name.bytes.dropFirst(2)) : nil) else {
                throw .malformed
            }
            key = try PublicKey(encoded: encoded)
        } catch {
            throw .malformed
        }
        guard key.peerID == name else { throw .contradictory }
        return key
    }
}
