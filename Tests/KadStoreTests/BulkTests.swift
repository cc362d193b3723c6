import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Bulk loads")
struct BulkTests {
    private func foreign(_ index: Int, _ generator: inout SeededGenerator) throws -> ImportedPeer {
        let key = Key(UInt64(index) &* 0x9e37_79b9_7f4a_7c15, 0, 0, UInt64(index))
        var peer = ImportedPeer(id: try #require(PeerID(key.bytes())), source: "file")
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            var entry = ImportedPeer.Address(.test(Int.random(in: 0..<1_000, using: &generator)))
            entry.lastSeen = .seconds(Int64.random(in: 0..<1_000, using: &generator))
            entry.failures = Int.random(in: 0..<3, using: &generator)
            peer.addresses.append(entry)
        }
        peer.firstSeen = Bool.random(using: &generator) ? .seconds(-5) : nil
        peer.lastSeen = Bool.random(using: &generator) ? .seconds(Int64(index)) : nil
        peer.lastOK = Bool.random(using: &generator) ? .seconds(Int64(index)) : nil
        peer.agent = ["a/1", "b/2", nil][index % 3]
        peer.protocols = index % 2 == 0 ? ["/z", "/a"] : []
        peer.rtt = index % 5 == 0 ? RTTEstimate(first: 5_000) : nil
        peer.failures = [
            FailureRecord(
                address: nil, failureClass: .timeout, count: 1 + index % 3, firstAt: .seconds(1), lastAt: .seconds(2))
        ]
        return peer
    }

    private func load(
        _ store: Store, _ range: Range<Int>, seed: UInt64, trusting: Bool = false, memory: Int = 48 << 20,
        dryRun: Bool = false
    ) async throws -> BulkSummary {
        var options = BulkOptions(now: .seconds(0))
        options.memoryLimit = memory
        options.trustsHistory = trusting
        options.isDryRun = dryRun
        let loader = try store.bulkLoader(options)
        var generator = SeededGenerator(seed: seed)
        for index in range {
            try loader.add(try foreign(index, &generator))
            if index % 10 == 0 {
                let now = Instant.seconds(0)
                try loader.add(Candidate(address: .test(index), firstSeen: now, lastSeen: now, source: "file"))
            }
        }
        return try await loader.finish()
    }

    private func everything(_ store: Store) throws -> [PeerRecord] {
        var all: [PeerRecord] = []
        var last: Key?
        repeat {
            let page = try store.peers(after: last, limit: 100)
            all += page.peers
            last = page.next
        } while last != nil
        return all
    }

    @Test("change nothing the second time, and give the same through files as in memory", arguments: [false, true])
    func idempotent(trusting: Bool) async throws {
        let scratch = Scratch()
        let inMemory = try await scratch.withStore("a.db") { store in
            let summary = try await load(store, 0..<2_000, seed: 3, trusting: trusting)
            #expect(summary.peers.added == 2_000)
            #expect(summary.candidates.added == 200)
            let first = try everything(store)
            let again = try await load(store, 0..<2_000, seed: 3, trusting: trusting)
            #expect(again.peers.unchanged == 2_000)
            #expect(again.candidates.unchanged == 200)
            #expect(try everything(store) == first)
            #expect(try await store.check(full: true).problems == [])
            return first
        }
        try await scratch.withStore("b.db") { store in
            // Runs of 64 KiB: some dozens of temporary files.
            _ = try await load(store, 0..<2_000, seed: 3, trusting: trusting, memory: 1)
            #expect(try everything(store) == inMemory)
        }
        #expect(inMemory.contains { $0.lastOK != nil } == trusting)
        #expect(inMemory.contains { $0.rtt != nil } == trusting)
        #expect(inMemory.allSatisfy { $0.failureCount > 0 })
    }

    @Test("bring the records of one peer together and merge with what is there")
    func merging() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let key = Key(5, 0, 0, 0)
            try store.hear(key, at: .seconds(50))
            let id = try store.peer(at: key).id
            let loader = try store.bulkLoader(BulkOptions(now: .seconds(60)))
            for second in [10, 90] {
                var peer = ImportedPeer(id: id, addresses: [ImportedPeer.Address(.test(second))], source: "file")
                peer.firstSeen = .seconds(Int64(second))
                peer.lastSeen = .seconds(Int64(second))
                try loader.add(peer)
            }
            let summary = try await loader.finish()
            #expect(summary.peers.updated == 1 && summary.peers.total == 1)
            let record = try #require(try store.record(of: key))
            #expect(record.firstSeen == .seconds(10))
            #expect(record.lastSeen == .seconds(90))
            #expect(record.source == "test")
            #expect(Set(record.addresses.map(\.address)) == [.test(0), .test(10), .test(90)])
        }
    }

    @Test("keep at most 64 addresses of a peer, and no names beyond their length")
    func limits() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let id = try store.peer(at: Key(5, 0, 0, 0)).id
            var peer = ImportedPeer(id: id, addresses: (0..<500).map { ImportedPeer.Address(.test($0)) })
            peer.agent = String(repeating: "é", count: 10_000)
            peer.protocols = (0..<1_000).map { "/p/\($0)" } + ["/new\nline"]
            let loader = try store.bulkLoader(BulkOptions(now: .seconds(0)))
            try loader.add(peer)
            _ = try await loader.finish()
            let record = try #require(try store.record(of: Key(5, 0, 0, 0)))
            #expect(record.addresses.count == AddressRecord.maximumPerPeer)
            #expect(record.agent?.utf8.count == PeerRecord.maximumNameLength)
            #expect(record.protocols.count == PeerRecord.maximumProtocols)
        }
    }

    @Test("a dry run counts what would change, and changes nothing")
    func dryRun() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            _ = try await load(store, 0..<10, seed: 1)
            let before = try everything(store)
            let summary = try await load(store, 0..<20, seed: 1, dryRun: true)
            #expect(summary.peers.added == 10 && summary.peers.unchanged == 10)
            #expect(try everything(store) == before)
        }
    }

    @Test("a restore is all or nothing, and only into an empty store")
    func restore() async throws {
        struct Stop: Error {}
        let scratch = Scratch()
        try await scratch.withStore { store in
            let keys = (1...50).map { Key(UInt64($0), 0, 0, 0) }
            let records = try keys.map { PeerRecord(peer: try store.peer(at: $0), firstSeen: .seconds(1)) }
            final class Items: @unchecked Sendable {
                var rest: [RestoreItem]
                let fails: Bool
                init(_ rest: [RestoreItem], fails: Bool) { (self.rest, self.fails) = (rest.reversed(), fails) }
                func next() throws -> RestoreItem? {
                    if rest.isEmpty, fails { throw Stop() }
                    return rest.popLast()
                }
            }
            let items = records.map(RestoreItem.peer)
            let failing = Items(items, fails: true)
            await #expect(throws: Stop.self) { try await store.restore { try failing.next() } }
            #expect(try store.peers().peers.isEmpty)
            let twice = Items(items + items.prefix(1), fails: false)
            await #expect(throws: StoreError.self) { try await store.restore { try twice.next() } }
            #expect(try store.peers().peers.isEmpty)
            let whole = Items(items, fails: false)
            #expect(try await store.restore { try whole.next() } == 50)
            #expect(try store.peers().peers == records)
            await #expect(throws: StoreError.notEmpty(path: store.path)) { try await store.restore { nil } }
        }
    }
}
