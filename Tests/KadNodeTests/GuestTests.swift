import KadEngine
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadNode

@Suite("A guest at a node's store") struct GuestTests {
    @Test("learns for the node, and leaves its identity, table and witnesses as they are")
    func guest() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 150)
        let host = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient,
            bootstrap: transport.bootstrap)
        let running = Task { try await host.run() }
        #expect(await host.untilWarm())
        running.cancel()
        try await running.value
        #expect(await host.untilWarm())
        let buckets = try store.buckets(of: host.identity)
        let known = try store.countPeers()

        var configuration = EngineConfiguration.patient
        configuration.maintains = false
        configuration.isGuest = true
        let digest = Array(repeating: UInt8(5), count: 32)
        let id = try #require(PeerID([0x12, 0x20] + digest))
        let guest = try await KadNode(store: store, id: id, transport: transport, configuration: configuration)
        let target = transport.peers[100].key
        let found = try await guest.closest(to: LookupTarget(key: target))
        #expect(found.map(\.peer.key) == transport.nearest(target))
        try await guest.shutDownForTest()
        #expect(await !guest.untilWarm())
        #expect(try store.identities() == [host.identity])
        #expect(try store.buckets(of: host.identity) == buckets)
        #expect(try store.countPeers() >= known)
        #expect(try store.lookupStatistics().recent.contains { $0.identity == nil })
        #expect(try await store.check(full: true).isSound)
        try await store.close()
    }
}
