import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Statistics")
struct StatisticsTests {
    @Test("count peers by standing, failures by class, and what is queued")
    func counts() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.now = { .seconds(100) }
        try await scratch.withStore(options: options) { store in
            for index in 1...10 { try store.hear(Key(UInt64(index), 0, 0, UInt64(index)), at: .seconds(Int64(index))) }
            for index in 1...4 {
                let peer = try store.peer(at: Key(UInt64(index), 0, 0, UInt64(index)))
                try store.record(.answered(peer, address: nil, rtt: Int64(index) * 1_000, at: .seconds(20)))
            }
            for index in [4, 5] {
                let peer = try store.peer(at: Key(UInt64(index), 0, 0, UInt64(index)))
                try store.record(.failed(peer, address: nil, .timeout, at: .seconds(30)))
                let state = BackoffState(
                    streakMilli: 1_000, streakAt: .seconds(30), lastClass: .timeout,
                    notBefore: .seconds(index == 4 ? 200 : 50), waitMilliseconds: 170_000, breaker: .open)
                try store.record(.backoff(peer, state))
            }
            try store.record(.candidateHeard(.test(77), source: nil, at: .seconds(1)))
            let statistics = try await store.statistics()
            #expect(statistics.peers == 10)
            #expect(statistics.answered == 3)
            #expect(statistics.failing == 2)
            #expect(statistics.unverified == 5)
            #expect(statistics.backedOff == 1)
            #expect(statistics.openBreakers == 2)
            #expect(statistics.addresses == 10)
            #expect(statistics.candidates == 1)
            #expect(statistics.failures.map(\.name) == ["timeout"])
            #expect(statistics.sources == [Statistics.Named(name: "test", count: 10)])
            #expect(statistics.firstSeen == .seconds(1))
            #expect(statistics.lastOK == .seconds(20))
            #expect(statistics.rtt?.count == 4)
            #expect(statistics.schema == Migrator.latest)
        }
    }

    @Test("and records agree on who is failing, class by class", arguments: FailureClass.allCases)
    func standing(failureClass: FailureClass) async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let key = Key(1, 0, 0, 0)
            try store.hear(key)
            try store.record(.failed(try store.peer(at: key), address: nil, failureClass, at: .seconds(1)))
            let statistics = try await store.statistics()
            let standing = try store.record(of: key)?.standing
            #expect(standing == (failureClass.countsAgainstPeer ? .failing : .unverified))
            #expect(statistics.failing == (failureClass.countsAgainstPeer ? 1 : 0))
            #expect(statistics.unverified == (failureClass.countsAgainstPeer ? 0 : 1))
        }
    }

    @Test("count failures that a foreign file made up, without overflowing")
    func immenseCounts() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let loader = try store.bulkLoader(BulkOptions(now: .seconds(0)))
            for index in 1...3 {
                var peer = ImportedPeer(id: try store.peer(at: Key(UInt64(index), 0, 0, 0)).id)
                peer.failures = [
                    FailureRecord(
                        address: nil, failureClass: .timeout, count: .max, firstAt: .seconds(0), lastAt: .seconds(0))
                ]
                try loader.add(peer)
            }
            _ = try await loader.finish()
            #expect(try await store.statistics().failures.map(\.count) == [3 * PeerRecord.maximumCount])
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE failure SET count = 9223372036854775807, seal = NULL")
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        #expect(try await store.statistics().failures.map(\.count) == [.max])
        try await store.close()
    }

    @Test("quantiles are right to within 6 %")
    func quantiles() {
        var histogram = LogHistogram()
        for value in Int64(1)...100_000 { histogram.add(value) }
        for (share, exact) in [(0.1, 10_000.0), (0.5, 50_000), (0.9, 90_000), (0.99, 99_000)] {
            let found = Double(histogram.quantile(share))
            #expect(found <= exact && found >= exact * 0.93)
        }
        #expect(LogHistogram.lowest(LogHistogram.slot(UInt64(Int64.max))) > 0)
    }
}
