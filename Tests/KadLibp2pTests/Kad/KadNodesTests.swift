import Foundation
import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadLibp2p

/// A whole node on loopback, with a store of its own.
struct Station {
    let swarm: Swarm
    let store: Store
    let node: KadNode
    private let path: String
    private let running: Task<Void, any Error>

    init(bootstrap: [Station] = [], serves: Bool = true) async throws {
        path = NSTemporaryDirectory() + "kadlibp2p-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        swarm = Swarm(keys: try KeyPair(), configuration: .test)
        store = try await Store.open(path + "/peers.db", mode: .create(.libp2p, .private))
        var configuration = EngineConfiguration()
        // Nothing is given up on a slow machine.
        configuration.pingMilliseconds = 600_000
        configuration.askMilliseconds = 600_000
        configuration.lookup.maximumMilliseconds = 600_000
        configuration.lookup.timeouts = TimeoutPolicy(
            minimumSlow: 600_000, maximumSlow: 600_000, minimumDeadline: 600_000, maximumDeadline: 600_000,
            unknownSlow: 600_000, unknownDeadline: 600_000)
        let node = try await KadNode(
            store: store, id: swarm.peerID, transport: Libp2pTransport(swarm: swarm), configuration: configuration,
            bootstrap: bootstrap.map { ($0.swarm.peerID, $0.swarm.listenAddresses) },
            validators: .libp2p(accepting: ["test"]))
        self.node = node
        if serves {
            swarm.serve(node)
            try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
        }
        running = Task { try await node.run() }
    }

    /// Waits until the node knows so many live peers.
    func knows(_ count: Int) async throws {
        while await node.contactCount < count { try await Task.sleep(for: .milliseconds(5)) }
    }

    func end() async throws {
        running.cancel()
        try await running.value
        await swarm.shutdown()
        try await store.close()
        try FileManager.default.removeItem(atPath: path)
    }
}

@Suite("Whole nodes over libp2p on loopback")
struct KadNodesTests {
    @Test("nodes meet, find each other, and give each other values and providers; who only asks is not met")
    func meet() async throws {
        let first = try await Station()
        let second = try await Station(bootstrap: [first])
        try await second.knows(1)
        // The first one learns of the second by identify.
        try await first.knows(1)
        let third = try await Station(bootstrap: [first])
        try await third.knows(2)
        try await second.knows(2)

        let found = try #require(await third.node.findPeer(second.swarm.peerID))
        #expect(found.addresses == second.swarm.listenAddresses)

        let key = Array("/test/a".utf8)
        let put = try await third.node.put(key: key, value: [1, 2, 3])
        #expect(Set(put.accepted.map(\.id)) == [first.swarm.peerID, second.swarm.peerID], "\(put.failed)")

        let asker = try await Station(bootstrap: [second], serves: false)
        #expect(try await asker.node.get(key: key) == [1, 2, 3])
        let own = Array("/pk/".utf8) + Array(first.swarm.peerID.bytes)
        #expect(try await first.node.put(key: own, value: first.swarm.keys.publicKey.encoded).failed.isEmpty)
        #expect(try await asker.node.get(key: own) == first.swarm.keys.publicKey.encoded)
        let forged = try await asker.node.ask(
            .putValue(key: own, value: asker.swarm.keys.publicKey.encoded), failing: second)
        #expect(forged == .stream)

        let provided: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 9, count: 32)
        #expect(try await second.node.provide(provided).failed.isEmpty)
        let providers = try await asker.node.providers(of: provided)
        #expect(providers.map(\.peer.id) == [second.swarm.peerID])
        #expect(providers.first?.addresses == second.swarm.listenAddresses)

        // Whoever serves nothing is in nobody's table.
        for station in [first, second, third] { #expect(await station.node.contactCount == 2) }
        for station in [asker, third, second, first] { try await station.end() }
    }

    @Test("a peer that sends no messages is charged for it, loses its stream, and is served on another")
    func violation() async throws {
        let honest = try await Station()
        let rude = try await Station(bootstrap: [honest])
        try await honest.knows(1)
        let stream = try await rude.swarm.stream(
            to: honest.swarm.peerID, at: honest.swarm.listenAddresses, speaking: [KadProtocol.id])
        try await stream.write(.init(bytes: [2, 0xff, 0xff]))
        await #expect(throws: ConnectionError.self) { while try await stream.read() != nil {} }
        let key = try honest.store.peer(rude.swarm.peerID).key
        // The charge is held until it is sure that the fault was not ours, but it is remembered.
        while try honest.store.record(of: key)?.failures.map(\.failureClass) != [.badResponse] {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await rude.node.ask(.ping, failing: honest) == nil)
        for station in [rude, honest] { try await station.end() }
    }
}

extension KadNode {
    /// What a request to a station fails with; nil when it is answered.
    fileprivate func ask(_ request: Request, failing station: Station) async throws -> FailureClass? {
        do throws(TransportError) {
            _ = try await ask(request, of: station.swarm.peerID, at: station.swarm.listenAddresses)
            return nil
        } catch {
            return error.failureClass
        }
    }
}
