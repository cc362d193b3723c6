import Crypto
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// What says who somebody is.
let messageTargets = [
    FuzzTarget(name: "public-key") { bytes in
        guard let key = try? PublicKey(encoded: bytes) else { return }
        try Broken.unless(key.encoded == bytes, "a key has two forms")
        try Broken.unless(
            try PeerIDEncoding.libp2p.decode(PeerIDEncoding.libp2p.encode(key.peerID)) == key.peerID,
            "a key's id is none")
        // Nobody can sign for it in a few bytes.
        try Broken.unless((try? key.isSignature(Array(bytes.suffix(64)), of: bytes)) != true, "anything signs")
    },
    FuzzTarget(name: "private-key") { bytes in
        guard let keys = try? KeyPair(encoded: bytes) else { return }
        try Broken.unless(try KeyPair(encoded: keys.encoded).peerID == keys.peerID, "a key changes when it is saved")
    },
    FuzzTarget(name: "envelope") { bytes in
        guard let envelope = try? SignedEnvelope(encoded: bytes, domain: "libp2p-peer-record") else { return }
        let again = try SignedEnvelope(encoded: envelope.encoded, domain: "libp2p-peer-record")
        try Broken.unless(again == envelope, "an envelope changes on its way")
    },
    FuzzTarget(name: "peer-record", run: readSignedRecord),
    FuzzTarget(name: "noise-payload") { bytes in
        let key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: 5, count: 32))
        try Broken.unless(
            (try? NoiseIdentity.verified(payload: bytes, of: key.publicKey)) == nil, "a stranger vouches for a key")
    },
]

/// The bytes are the payload of a record that is signed as it should be: what the signature keeps from a fuzzer.
private func readSignedRecord(_ bytes: [UInt8]) throws {
    let keys = try KeyPair(seed: [UInt8](repeating: 6, count: 32))
    let envelope = try SignedEnvelope(
        sealing: bytes, type: SignedPeerRecord.payloadType, domain: SignedPeerRecord.domain, keys: keys)
    // Its limit is the reader's.
    guard let encoded = try? envelope.encoded, let record = try? SignedPeerRecord(envelope: encoded) else { return }
    try Broken.unless(record.peer == keys.peerID, "a record of somebody else is believed")
    try Broken.unless(record.addresses.count <= SignedPeerRecord.addressLimit, "\(record.addresses.count) addresses")
    let again = try SignedPeerRecord(envelope: record.sealed(by: keys))
    try Broken.unless(again == record, "a record changes on its way")
}
