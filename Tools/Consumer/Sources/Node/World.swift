import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats

/// A network in one array: what a real transport asks over a wire, this one looks up.
struct World: Transport {
    let ownID: PeerID
    let peers: [(id: PeerID, key: Key, address: Multiaddr)]

    /// The first few, as a bootstrap list names them.
    var bootstrap: [(PeerID, [Multiaddr])] { peers.prefix(3).map { ($0.id, [$0.address]) } }

    init(peers count: Int) throws {
        var generator = SeededGenerator(seed: 1)
        func id() throws -> PeerID {
            let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            guard let id = PeerID([0x12, 0x20] + digest) else { throw TransportError(.negotiation) }
            return id
        }
        ownID = try id()
        peers = try (0..<count).map { number in
            let id = try id()
            return (id, try Network.libp2p.key(of: id), try Multiaddr("/ip4/10.0.0.\(number)/tcp/4001"))
        }
    }

    func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
        guard case .findNode(let target) = request else { return Reply(address: addresses.first) }
        var nearest = ClosestPeers<NamedPeer>(target: target.key, capacity: 20)
        for other in peers where other.key != peer.key {
            nearest.offer(other.key, NamedPeer(id: Array(other.id.bytes), addresses: [other.address]))
        }
        return Reply(address: addresses.first, named: nearest.elements)
    }
}
