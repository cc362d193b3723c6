import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Pruning")
struct PruningTests {
    /// Peers of every kind: by number, answered (0), heard of (1), failing (2); the last third seen long ago.
    private func fill(_ store: Store, _ count: Int) throws -> [Key] {
        try (0..<count).map { index in
            let key = Key(UInt64(index + 1) << 32, 0, 0, UInt64(index))
            let old = index >= count * 2 / 3
            try store.hear(key, at: .seconds(old ? 0 : 100_000))
            let peer = try store.peer(at: key)
            let at = Instant.seconds(old ? 1 : 100_001)
            if index % 3 == 0 { try store.record(.answered(peer, address: nil, rtt: 9, at: at)) }
            if index % 3 == 2 {
                try store.record(.failed(peer, address: nil, .timeout, at: at))
                let state = BackoffState(
                    streakMilli: 3_000, streakAt: at, lastClass: .timeout, outcomes: 0b111, outcomeCount: 3)
                try store.record(.backoff(peer, state))
            }
            return key
        }
    }

    private func options(_ now: Instant = .seconds(200_000)) -> StoreOptions {
        var options = StoreOptions()
        options.now = { now }
        return options
    }

    private func rules(_ conditions: PruneRules.Condition..., keep: Int? = nil) -> PruneRules {
        var rules = PruneRules()
        rules.conditions = conditions
        rules.keep = keep
        return rules
    }

    @Test("a dry run counts by the code that prunes, whatever the rule, and changes nothing")
    func dryRun() async throws {
        let choices: [(PruneRules, Int)] = [
            (rules(.neverAnswered), 2_000), (rules(.notSeen(since: .seconds(50_000))), 1_000),
            (rules(.failing(times: 3)), 1_000), (rules(.failing(times: 4)), 0), (rules(.unroutable), 0),
            (rules(.neverAnswered, .notSeen(since: .seconds(50_000))), 667), (rules(keep: 100), 2_900),
            (rules(.neverAnswered, keep: 1_990), 10), (rules(.matches(.everAnswered)), 1_000), (rules(keep: 9_999), 0),
        ]
        for (rules, expected) in choices {
            let scratch = Scratch()
            try await scratch.withStore(options: options()) { store in
                _ = try fill(store, 3_000)
                try await store.flush()
                let before = try store.peers(limit: 4_096).peers
                let told = try await store.prune(rules, isDryRun: true)
                #expect(told.peers == expected, "\(rules)")
                #expect(try store.peers(limit: 4_096).peers == before)
                #expect(try store.tombstones().tombstones == [])
                let reader = try await Store.open(scratch.path(), mode: .readOnly, options: options())
                #expect(try await reader.prune(rules, isDryRun: true) == told)
                try await reader.close()
                #expect(try await store.prune(rules) == told)
                // The oracle: the rules on every record that there was.
                if rules.keep == nil {
                    let left = before.filter { !rules.accept($0, scope: .private) }.map(\.key)
                    #expect(try store.peers(limit: 4_096).peers.map(\.key) == left)
                }
                #expect(try store.peerCount() == 3_000 - expected)
                #expect(try await store.prune(rules).peers == 0)
                #expect(try await store.check(full: true).problems == [])
            }
        }
    }

    @Test("who failed leaves a tombstone, and gossip does not bring it back with a clean slate")
    func tombstones() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: options()) { store in
            let keys = try fill(store, 30)
            let report = try await store.prune(rules(.failing(times: 1)))
            #expect(report.peers == 10 && report.tombstonesLeft == 10)
            #expect(try store.record(of: keys[2]) == nil)
            try store.hear(keys[2], at: .seconds(200_001))
            #expect(try store.record(of: keys[2])?.backoff?.streakMilli == 3_000)

            var old = PruneRules()
            old.tombstonesBefore = .seconds(199_999)
            #expect(try await store.prune(old).tombstones == 0)
            old.tombstonesBefore = .seconds(200_001)
            #expect(try await store.prune(old).tombstones == 10)
            #expect(try store.tombstones().tombstones == [])
        }
    }

    @Test("contacts of k-buckets and their replacements stay; the best of the others are kept")
    func contacts() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: options()) { store in
            let keys = try fill(store, 90)
            let identity = try await store.identity(try store.peer(at: Key(.max, 1, 1, 1)).id)
            let bucket = BucketSnapshot(
                index: 0, refreshedAt: nil, live: [.test(keys[1])], replacements: [.test(keys[2])])
            try store.record(.bucket(bucket, identity: identity.number))
            try await store.flush()
            let report = try await store.prune(rules(keep: 20))
            #expect(report.contactsKept == 2 && report.peers == 68)
            let left = try store.peers().peers
            #expect(left.count == 22)
            #expect(Set(left.map(\.key)).isSuperset(of: [keys[1], keys[2]]))
            // Those that answered, the ones seen last first: exactly the twenty that are young.
            #expect(left.filter { $0.lastOK != nil && $0.lastSeen > .seconds(50_000) }.count == 20)
            #expect(try await store.prune(rules(.matches(.all))).peers == 20)
            #expect(try store.buckets(of: identity)[0].live.map(\.key) == [keys[1]])
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("candidates go by age; without a rule nothing does; a damaged row stays")
    func others() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: options()) { store in
            let keys = try fill(store, 9)
            for index in 0..<3_000 {
                try store.record(.candidateHeard(.test(index), source: nil, at: .seconds(index % 2 == 0 ? 0 : 9)))
            }
            try await store.flush()
            await #expect(throws: StoreError.self) { try await store.prune(PruneRules()) }
            var old = PruneRules()
            old.candidatesNotSeenSince = .seconds(5)
            #expect(try await store.prune(old, isDryRun: true).candidates == 1_500)
            #expect(try await store.prune(old).candidates == 1_500)
            #expect(try store.candidates(limit: 4_096).candidates.count == 1_500)
            try Connection(path: scratch.path(), access: .readWrite).execute(
                "UPDATE peer SET addresses = x'ff' WHERE key = (SELECT min(key) FROM peer)")
            let report = try await store.prune(rules(.matches(.all)))
            #expect(report.damaged == 1 && report.peers == 8)
            #expect(throws: StoreError.self) { try store.record(of: keys[0]) }
        }
    }
}
