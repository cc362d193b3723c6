import KadEngine
import Multiformats

/// Peers on the wire. An address ends in `/p2p/<id>` there, and only there: everywhere else the id stands beside it.
extension KadMessage.Peer {
    /// A peer as it is told to others. Whether we are connected to it says nothing to them, and is left out.
    init(id: PeerID, addresses: [Multiaddr]) {
        self.init()
        self.id = .init(id.bytes)
        // An address that would be too long with the id is told to nobody: no other node could read it either.
        addrs = addresses.compactMap { try? $0.with(peerID: id) }.map { .init($0.bytes) }
    }

    /// The peer as it came, to be judged by the node. Addresses that cannot be read, or are another peer's, are left out:
    /// other implementations know protocols that this one does not.
    var named: NamedPeer {
        let id = Array(id)
        guard let peer = PeerID(id) else { return NamedPeer(id: id, addresses: []) }
        var addresses: [Multiaddr] = []
        for bytes in addrs.prefix(KadProtocol.addressLimit) where bytes.count <= Multiaddr.byteLimit {
            guard let address = try? Multiaddr(bytes: Array(bytes)) else { continue }
            if let stated = address.peerID, stated != peer { continue }
            if let plain = address.withoutPeerID { addresses.append(plain) }
        }
        return NamedPeer(id: id, addresses: addresses)
    }
}
