import KadNode
import Kademlia
import SwiftProtobuf

/// The parts of an IPNS record that it is judged by ([specification](https://specs.ipfs.tech/ipns/ipns-record/), version 2).
struct IPNSRecord {
    /// The most bytes of a record, as the specification has it.
    static let byteLimit = 10 * 1024

    /// What is signed, in DAG-CBOR.
    let data: [UInt8]
    let signature: [UInt8]
    /// The signer's, where the record brings it along.
    let publicKey: [UInt8]?
    /// Of two records the one with the higher number counts.
    let sequence: UInt64
    /// From then on it does not count.
    let validUntil: Instant

    /// - Throws: ``RecordFault``: `malformed`; `contradictory` where the fields for old readers say something else than what is
    ///   signed.
    init(_ value: [UInt8]) throws(RecordFault) {
        guard value.count <= Self.byteLimit else { throw .malformed }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let entry = try? IpnsEntryMessage(serializedBytes: value, options: options) else { throw .malformed }
        data = Array(entry.data)
        signature = Array(entry.signatureV2)
        publicKey = entry.pubKey.isEmpty ? nil : Array(entry.pubKey)
        guard !signature.isEmpty, let map = CBORMap(data), let path = map.bytes("Value"), !path.isEmpty,
            let validity = map.bytes("Validity"), map.number("ValidityType") == 0,
            let sequence = map.number("Sequence"),
            let validUntil = validity.withUnsafeBufferPointer(Instant.init(rfc3339:))
        else { throw .malformed }
        let ttl = map.number("TTL")
        guard ttl != nil || map.values["TTL"] == nil else { throw .malformed }
        self.sequence = sequence
        self.validUntil = validUntil
        // Records without any of these fields are the rule by now. With one of the first two, old readers believe all of them.
        let isOld = entry.hasValue || entry.hasSignatureV1
        guard !isOld || Array(entry.value) == path,
            !(isOld || entry.hasValidity) || Array(entry.validity) == validity,
            entry.validityType == 0,
            !(isOld || entry.hasSequence) || entry.sequence == sequence,
            !(isOld || entry.hasTtl) || entry.ttl == ttl ?? 0
        else { throw .contradictory }
    }
}
