import Foundation
import KadEngine
import KadStore
import Kademlia
import Logging
import TestSupport
import Testing

@testable import KadNode

@Suite("A node whose disk fails") struct StoreFaultTests {
    @Test("goes on in memory, says so once, writes again when it can, and says that")
    func episodes() async throws {
        let disk = try FaultyDisk()
        var options = StoreOptions()
        (options.batchMilliseconds, options.syncMilliseconds) = (5, 5)
        let store = try await Store.open(disk.path("a.db"), mode: .create(.libp2p, .private), options: options)
        let transport = try Loopback(peers: 120)
        var configuration = EngineConfiguration.patient
        // A mark of time, at which the store is asked how it is, every few milliseconds.
        configuration.clockMilliseconds = 10
        let lines = Lines()
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: configuration,
            bootstrap: transport.bootstrap, logger: Logger(label: "test") { _ in lines.handler })
        let running = Task { try await node.run() }
        while await node.contactCount == 0 { try await pause() }
        try await store.flush()
        let before = try store.countPeers()

        func count(_ text: String) -> Int { lines.all.count { $0.hasPrefix(text) } }
        let faults: [(FaultyDisk.Fault, FaultyDisk.Operations)] = [
            (.full, [.write, .create]), (.error, .sync), (.error, .changes),
        ]
        for (number, (fault, operations)) in faults.enumerated() {
            disk.plan(fault, operations, from: 1)
            while count("the store failed") == number { try await pause() }
            // It is tried again and again, and the node answers meanwhile.
            let tried = disk.injected
            while disk.injected < tried + 4 {
                let target = Key(UInt64(disk.injected), 2, 3, UInt64(number))
                let found = try await node.closest(to: LookupTarget(key: target))
                #expect(found.map(\.peer.key) == transport.nearest(target))
            }
            #expect(count("the store failed") == number + 1)
            #expect(count("the store works again") == number)
            disk.heal()
            while count("the store works again") == number { try await pause() }
        }
        #expect(count("the store failed") == faults.count)
        #expect(count("the store works again") == faults.count)
        // Nobody else complains of it.
        #expect(lines.all.filter { $0.contains("\"error\"") && !$0.hasPrefix("the store failed") } == [])

        running.cancel()
        try await running.value
        // What was learnt while the disk failed is on the medium.
        let image = try disk.image(.synced, seed: 1)
        let known = try store.countPeers()
        let kept = try await Store.open(image.path + "/a.db")
        #expect(try kept.countPeers() == known)
        #expect(known > before)
        let contacts = await node.contactCount
        #expect(known >= contacts)
        #expect(try await kept.check(full: true).problems == [])
        try await kept.close()
        try await store.close()
    }

    private func pause() async throws { try await Task.sleep(for: .milliseconds(3)) }
}
