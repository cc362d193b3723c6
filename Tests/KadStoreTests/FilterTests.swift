import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Filters")
struct FilterTests {
    private static let now = Instant.seconds(100_000)

    /// Conditions of every kind, alone and joined.
    private static func filters(_ generator: inout SeededGenerator) -> [PeerFilter] {
        let single: [PeerFilter] =
            PeerRecord.Standing.allCases.map(PeerFilter.standing)
            + BackoffState.Breaker.allCases.map(PeerFilter.breaker)
            + [
                .dialable(at: now), .not(.dialable(at: now)), .everAnswered, .seen(since: .seconds(500)),
                .answered(since: .seconds(500)), .source("odd"), .hasAddress,
            ]
        let joined = (0..<6).map { _ in
            PeerFilter.every([single.randomElement(using: &generator)!, single.randomElement(using: &generator)!])
        }
        return single + single.map(PeerFilter.not) + joined
    }

    private func fill(_ store: Store, _ keys: [Key], using generator: inout SeededGenerator) throws {
        for key in keys {
            let peer = try store.peer(at: key)
            func at() -> Instant { .seconds(Int64.random(in: 0...1_000, using: &generator)) }
            try store.record(
                .heard(peer, addresses: [.test(1)], source: Bool.random(using: &generator) ? "odd" : "even", at: at()))
            if Bool.random(using: &generator) { try store.record(.answered(peer, address: .test(1), rtt: 9, at: at())) }
            if Bool.random(using: &generator) {
                let failure = FailureClass.allCases.randomElement(using: &generator)!
                try store.record(.failed(peer, address: .test(1), failure, at: at()))
            }
            if Bool.random(using: &generator) {
                let wait = Int64.random(in: -1_000...200_000_000, using: &generator)
                try store.record(
                    .backoff(
                        peer,
                        BackoffState(
                            streakMilli: 1_000, streakAt: at(), lastClass: .timeout,
                            notBefore: Bool.random(using: &generator)
                                ? Self.now.advanced(byMilliseconds: wait) : nil,
                            waitMilliseconds: max(0, wait),
                            breaker: BackoffState.Breaker.allCases.randomElement(using: &generator)!)))
            }
        }
    }

    @Test("choose the same peers row by row as from whole records, queued or written", arguments: Seeds.first(4))
    func agreeWithRecords(seed: UInt64) async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: seed)
        let keys = Set(IndexKeys.mostlyClustered.keys(count: 120, using: &generator)).sorted()
        var options = StoreOptions()
        options.batchCount = .max
        options.batchMilliseconds = 3_600_000
        try await scratch.withStore(options: options) { store in
            try fill(store, keys, using: &generator)
            for phase in 0..<2 {
                let records = try store.peers(limit: 4_096).peers
                #expect(records.count == keys.count)
                for filter in Self.filters(&generator) {
                    let wanted = records.filter { filter.accepts($0) }.map(\.key)
                    let target = IndexKeys.target(near: keys, using: &generator)
                    let page = try store.nearest(to: target, count: 4_096, where: filter)
                    let place: Comment = "seed \(seed), phase \(phase), \(filter)"
                    #expect(page.peers.map(\.key) == bruteForceNearest(wanted, to: target, count: .max), place)
                    #expect(try store.peers(limit: 4_096, where: filter).peers.map(\.key) == wanted, place)
                }
                // The second time from the database alone.
                try await store.flush()
            }
        }
    }

    @Test("by standing agree with what a record says of itself, and each kind is there", arguments: Seeds.first(2))
    func standings(seed: UInt64) async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: seed)
        let keys = Set(IndexKeys.mostlyClustered.keys(count: 200, using: &generator)).sorted()
        try await scratch.withStore { store in
            try fill(store, keys, using: &generator)
            try await store.flush()
            for standing in PeerRecord.Standing.allCases {
                let found = try store.nearest(to: keys[0], count: 4_096, where: .standing(standing)).peers
                #expect(!found.isEmpty, "seed \(seed)")
                for peer in found { #expect(try store.record(of: peer.key)?.standing == standing, "seed \(seed)") }
            }
        }
    }
}
