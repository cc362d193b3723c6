import Multiformats
import SwiftProtobuf

/// The message of `/ipfs/id/1.0.0` and `/ipfs/id/push/1.0.0`: what is sent of this node, and what is believed of another.
enum IdentifyCodec {
    /// The most bytes that are read, of all messages together. Large ones come in several: go-libp2p sends its signed record
    /// apart.
    static let byteLimit = 64 * 1_024
    static let messageLimit = 10
    /// The most protocols that are kept: nodes speak up to some tens.
    static let protocolLimit = 256
    static let addressLimit = SignedPeerRecord.addressLimit
    /// The most bytes of a protocol's or an agent's name that are kept.
    static let nameLimit = 256

    static let protocolVersion = "ipfs/0.1.0"

    /// Encodes what this node says of itself, after its length.
    ///
    /// - Parameter sequence: of the signed record: it grows.
    static func encode(
        keys: KeyPair, agent: String, protocols: [String], addresses: [Multiaddr], observed: Multiaddr?,
        sequence: UInt64
    ) -> [UInt8]? {
        var message = IdentifyMessage()
        message.publicKey = .init(keys.publicKey.encoded)
        message.protocolVersion = protocolVersion
        message.agentVersion = agent
        message.protocols = protocols
        message.listenAddrs = addresses.map { .init($0.bytes) }
        if let observed { message.observedAddr = .init(observed.bytes) }
        let record = SignedPeerRecord(peer: keys.peerID, sequence: sequence, addresses: addresses)
        // Without its signature the rest is as good: the record is optional.
        if let sealed = try? record.sealed(by: keys) { message.signedPeerRecord = .init(sealed) }
        guard let body: [UInt8] = try? message.serializedBytes() else { return nil }
        var bytes: [UInt8] = []
        Varint.append(UInt64(body.count), to: &bytes)
        return bytes + body
    }

    /// Reads all that a peer sent: messages, each after its length, of which later ones add to earlier ones.
    ///
    /// Addresses that cannot be read are left out, as other implementations have protocols that this one does not know.
    ///
    /// - Parameters:
    ///   - key: whose the connection is: it has proven it.
    ///   - remoteAddress: where the peer is, as it was dialled or where it came from.
    /// - Returns: nil when the bytes are no messages, or name another key than the one the connection was secured with.
    static func decode(
        _ bytes: [UInt8], from key: PublicKey, at remoteAddress: Multiaddr, isDialled: Bool
    ) -> IdentifiedPeer? {
        guard bytes.count <= byteLimit, let message = merged(bytes) else { return nil }
        // A message of somebody else was misdirected.
        guard !message.hasPublicKey || Array(message.publicKey) == key.encoded else { return nil }
        let record = message.hasSignedPeerRecord ? signedRecord(message, key.peerID) : nil
        let addresses =
            record?.addresses
            ?? message.listenAddrs.prefix(addressLimit).compactMap { try? Multiaddr(bytes: Array($0)) }
        return IdentifiedPeer(
            peer: key.peerID, agent: name(message.agentVersion), protocolVersion: name(message.protocolVersion),
            protocols: message.protocols.prefix(protocolLimit).map(name),
            addresses: addresses.compactMap(\.withoutPeerID), isSigned: record != nil,
            remoteAddress: remoteAddress, isDialled: isDialled,
            observed: try? Multiaddr(bytes: Array(message.observedAddr)))
    }

    /// Reads what came over a connection.
    static func decode(_ bytes: [UInt8], from connection: Connection) -> IdentifiedPeer? {
        decode(
            bytes, from: connection.remoteKey, at: connection.remoteAddress, isDialled: connection.role == .dialer)
    }

    /// A record that does not verify is as good as none.
    private static func signedRecord(_ message: IdentifyMessage, _ peer: PeerID) -> SignedPeerRecord? {
        guard let record = try? SignedPeerRecord(envelope: Array(message.signedPeerRecord)), record.peer == peer else {
            return nil
        }
        return record
    }

    private static func merged(_ bytes: [UInt8]) -> IdentifyMessage? {
        var message = IdentifyMessage()
        var rest = bytes[...]
        var count = 0
        while !rest.isEmpty {
            count += 1
            guard count <= messageLimit, let length = try? Varint.read(from: &rest), length <= UInt64(rest.count) else {
                return nil
            }
            let body = rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
            guard (try? message.merge(serializedBytes: Array(body))) != nil else { return nil }
        }
        return count > 0 ? message : nil
    }

    private static func name(_ text: String) -> String {
        text.utf8.count <= nameLimit ? text : String(decoding: text.utf8.prefix(nameLimit), as: UTF8.self)
    }
}
