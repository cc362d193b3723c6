import Multiformats
import SwiftProtobuf

/// What a peer says of itself and signs: its addresses.
///
/// Not to be confused with the store's record of a peer, which is what others have seen of it.
public struct SignedPeerRecord: Hashable, Sendable {
    public let peer: PeerID
    /// Grows with each record that the peer makes: of two, the one with the higher number counts.
    public let sequence: UInt64
    public let addresses: [Multiaddr]

    /// What such a record is signed for.
    public static let domain = "libp2p-peer-record"
    /// The multicodec of a peer record, as two bytes rather than a varint: so go-libp2p has it, and all others.
    public static let payloadType: [UInt8] = [0x03, 0x01]
    /// The most addresses that are kept of a record. Nodes have up to some tens.
    public static let addressLimit = 128

    public init(peer: PeerID, sequence: UInt64, addresses: [Multiaddr]) {
        self.peer = peer
        self.sequence = sequence
        self.addresses = addresses
    }

    /// Reads and verifies a record in its envelope.
    ///
    /// Addresses that cannot be read are left out, for other implementations know protocols that this one does not; so are
    /// those beyond ``addressLimit``.
    ///
    /// - Throws: ``EnvelopeError``; `wrongSigner` for a record that is not of the peer who signed it.
    public init(envelope encoded: [UInt8]) throws(EnvelopeError) {
        let envelope = try SignedEnvelope(encoded: encoded, domain: Self.domain)
        guard envelope.payloadType == Self.payloadType else { throw .payloadType(envelope.payloadType) }
        guard let message = try? PeerRecordMessage(serializedBytes: envelope.payload),
            let peer = PeerID(Array(message.peerID))
        else { throw .malformed }
        guard peer == envelope.publicKey.peerID else { throw .wrongSigner(envelope.publicKey.peerID) }
        self.peer = peer
        sequence = message.seq
        addresses = message.addresses.prefix(Self.addressLimit).compactMap {
            try? Multiaddr(bytes: Array($0.multiaddr))
        }
    }

    /// The record in its envelope, signed.
    ///
    /// - Throws: ``EnvelopeError/wrongSigner(_:)`` where `keys` are not the peer's.
    public func sealed(by keys: KeyPair) throws(EnvelopeError) -> [UInt8] {
        guard peer == keys.peerID else { throw .wrongSigner(keys.peerID) }
        var message = PeerRecordMessage()
        message.peerID = .init(peer.bytes)
        message.seq = sequence
        message.addresses = addresses.map { address in
            var info = PeerRecordMessage.AddressInfo()
            info.multiaddr = .init(address.bytes)
            return info
        }
        guard let payload: [UInt8] = try? message.serializedBytes() else { throw .malformed }
        return try SignedEnvelope(sealing: payload, type: Self.payloadType, domain: Self.domain, keys: keys).encoded
    }
}
