import KadEngine
import KadLibp2p
import KadNode
import KadStore
import Kademlia
import Multiformats

/// One node: a swarm that serves a KadNode over an empty store, and asks others.
struct ServingNode: Sendable {
    static let kad = "/ipfs/kad/1.0.0"

    let keys: KeyPair
    let swarm: Swarm
    let store: Store
    let node: KadNode
    let transport: Libp2pTransport

    /// - Parameter path: of its store, which is made.
    init(storeAt path: String) async throws {
        keys = try KeyPair()
        swarm = Swarm(keys: keys, configuration: SwarmConfiguration(scope: .private))
        var transporting = Libp2pTransport.Configuration()
        transporting.requestsPerPeer = 1_024
        transport = Libp2pTransport(swarm: swarm, configuration: transporting)
        // What is measured is what it can, not what it permits.
        var serving = ServingLimits()
        serving.queries = .init(perSecond: 1_000_000, burst: 1_000_000)
        store = try await Store.open(path, mode: .create(.libp2p, .private))
        var engine = EngineConfiguration()
        engine.maintains = false
        node = try await KadNode(
            store: store, id: keys.peerID, transport: transport, configuration: engine, serving: serving)
        swarm.serve(node)
        try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
    }

    var address: String {
        get throws { try swarm.listenAddresses.first?.with(peerID: keys.peerID).description ?? "" }
    }
}

/// Somebody at an address.
struct Place: Sendable {
    let id: PeerID
    let address: Multiaddr

    init(_ text: String) throws {
        let full = try Multiaddr(text)
        guard let id = full.peerID, let address = full.withoutPeerID else { throw Unusable(text: text) }
        self.id = id
        self.address = address
    }

    /// A connection, if there is none, and a stream on which the DHT has been agreed.
    func open(from swarm: Swarm) async throws {
        let stream = try await swarm.stream(to: id, at: [address], speaking: [ServingNode.kad])
        await stream.closeWriting()
        stream.reset()
    }

    /// One FIND_NODE for a key that nobody has been asked for before.
    func ask(_ number: Int, as asker: ServingNode) async throws -> Int {
        let preimage = Array("benchmark \(number)".utf8)
        let target = LookupTarget(key: Network.libp2p.target(hashing: preimage), preimage: preimage)
        return try await asker.transport.send(.findNode(target), to: asker.store.peer(id), at: [address]).named.count
    }
}

struct Unusable: Error {
    let text: String
}
