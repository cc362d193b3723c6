import Kademlia
import TestSupport
import Testing

/// Random histories, told to the table and to ``NaiveTable``.
@Suite("RoutingTable against a naive model")
struct ModelTests {
    static let configurations: [RoutingTable.Configuration] = [
        .init(k: 3, replacementCacheSize: 2, limits: nil),
        .init(k: 2, replacementCacheSize: 0, limits: DiversityLimits(perBucket: 1, perTable: 3), maximumFailures: 1),
        .init(k: 4, limits: DiversityLimits(perBucket: 2, perTable: 4), keyBits: 160),
        .init(k: 1, replacementCacheSize: 3, limits: DiversityLimits(perBucket: 1, perTable: 2), keyBits: 128),
        // So narrow that the last bucket fills and can split no more.
        .init(k: 3, replacementCacheSize: 3, limits: DiversityLimits(perBucket: 2, perTable: 5), keyBits: 6),
        .init(k: 8, limits: DiversityLimits(perBucket: 3, perTable: 3), keyBits: 3),
    ]

    struct History {
        var generator: SeededGenerator
        let local: Key
        let configuration: RoutingTable.Configuration
        let pool: [Key]
        var now = Instant.minutes(1_000)
        var table: RoutingTable
        var model: NaiveTable
        var live: Set<Key> = []
        var waiting: Set<Key> = []

        init(_ configuration: RoutingTable.Configuration, seed: UInt64) {
            generator = SeededGenerator(seed: seed)
            let bits = configuration.keyBits
            local = Key.random(using: &generator).prefix(bits, followedBy: .zero)
            var pool: Set<Key> = [local]
            for _ in 0..<70 { pool.insert(KeySet.key(near: local, bits: bits, using: &generator)) }
            self.pool = pool.sorted()
            self.configuration = configuration
            table = RoutingTable(localKey: local, configuration: configuration)
            model = NaiveTable(local: local, configuration: configuration)
        }

        /// One random event, told to both.
        mutating func step() -> (event: String, directives: [RoutingTable.Directive]) {
            let key = pool.randomElement(using: &generator) ?? local
            let index = UInt32.random(in: 0..<7, using: &generator)
            let group: NetworkGroup? = index == 0 ? nil : .test(index)
            switch Int.random(in: 0..<40, using: &generator) {
            case 0: now = now.advanced(byMilliseconds: -.random(in: 1...600_000, using: &generator))
            case 1...10: break
            default: now = now.advanced(byMilliseconds: .random(in: 1...120_000, using: &generator))
            }
            model.pings = []
            model.refusals = []
            let now = now
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<30:
                model.hear(key, group, at: now) { _ in }
                return ("heard of \(key)", table.heard(of: key, in: group, at: now))
            case 30..<40:
                model.hear(key, group, at: now) { $0.lastSeen = now }
                return ("heard from \(key)", table.heard(from: key, in: group, at: now))
            case 40..<65:
                model.hear(key, group, at: now) {
                    $0.group = group
                    $0.lastSeen = now
                    $0.lastOK = now
                    $0.isVerified = true
                    $0.failures = 0
                }
                return ("answered \(key)", table.answered(key, from: group, at: now))
            case 65..<94:
                model.fail(key)
                return ("failed \(key)", table.failed(key))
            case 94..<99:
                model.remove(key)
                return ("remove \(key)", table.remove(key))
            default:
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    table.markAllUnverified()
                    for key in model.entries.keys { model.entries[key]?.isVerified = false }
                }
                return ("mark all unverified", [])
            }
        }

        /// What the table is, read from its directives alone; false when they contradict each other.
        mutating func follow(_ directives: [RoutingTable.Directive]) -> Bool {
            for directive in directives {
                switch directive {
                case .inserted(let key, _):
                    waiting.remove(key)
                    guard live.insert(key).inserted else { return false }
                case .evicted(let key, _):
                    guard live.remove(key) != nil else { return false }
                case .cached(let key, _):
                    guard !live.contains(key), waiting.insert(key).inserted else { return false }
                case .dropped(let key):
                    guard waiting.remove(key) != nil else { return false }
                case .ping, .refused, .changed: break
                }
            }
            return true
        }

        func isEqualToModel() -> Bool {
            table.buckets.count == model.bucketCount
                && table.buckets.indices.allSatisfy { index in
                    isEqual(table.buckets[index].live, model.members(index, live: true))
                        && isEqual(table.buckets[index].replacements, model.members(index, live: false))
                }
        }

        private func isEqual(_ contacts: [Contact], _ entries: [NaiveTable.Entry]) -> Bool {
            contacts.count == entries.count
                && zip(contacts, entries).allSatisfy { contact, entry in
                    contact.key == entry.key && contact.networkGroup == entry.group
                        && contact.firstSeen == entry.firstSeen && contact.lastSeen == entry.lastSeen
                        && contact.lastOK == entry.lastOK && contact.isVerified == entry.isVerified
                        && contact.consecutiveFailures == entry.failures
                }
        }
    }

    @Test("Tables, questions and refusals agree after every event", arguments: configurations.indices, Seeds.first(3))
    func agreement(configuration: Int, seed: UInt64) {
        var history = History(Self.configurations[configuration], seed: seed)
        for step in 0..<600 {
            let before = history.table
            let (event, directives) = history.step()
            let table = history.table
            let context: Comment = "seed \(seed), step \(step), \(event): \(directives)"

            guard history.isEqualToModel() else {
                Issue.record("the model differs; \(context)")
                return
            }
            let pings = directives.compactMap { if case .ping(let key) = $0 { key } else { nil } }
            let refused = directives.compactMap { if case .refused(let key, _) = $0 { key } else { nil } }
            // A live contact that its new group's limits refuse is refused in both.
            if pings != history.model.pings || refused != history.model.refusals {
                Issue.record("questions or refusals differ; \(context)")
                return
            }
            if !table.invariantViolations().isEmpty {
                Issue.record("\(table.invariantViolations()); \(context)")
                return
            }
            let follows = history.follow(directives)
            let live = Set(table.buckets.flatMap(\.live).map(\.key))
            let waiting = Set(table.buckets.flatMap(\.replacements).map(\.key))
            if !follows || history.live != live || history.waiting != waiting {
                Issue.record("the directives do not tell what happened; \(context)")
                return
            }
            let changed = directives.compactMap { if case .changed(let index) = $0 { index } else { nil } }
            let differing = table.buckets.indices.filter { index in
                table.snapshot(ofBucket: index) != before.snapshot(ofBucket: index)
            }
            let isMarking = event == "mark all unverified"
            if changed != Set(changed).sorted() || (!isMarking && !Set(differing).isSubset(of: changed)) {
                Issue.record("buckets \(differing) differ from before; \(context)")
                return
            }
            if step % 50 == 0 {
                let (restored, faults) = RoutingTable.restored(
                    from: table.snapshot(), localKey: history.local, configuration: history.configuration)
                #expect(faults.isEmpty && restored == table, context)
                let target = KeySet.key(
                    near: history.local, bits: history.configuration.keyBits, using: &history.generator)
                #expect(
                    table.closest(to: target, count: 5).map(\.key) == Oracle.nearest(5, of: live, to: target), context)
            }
        }
        #expect(history.table.count > 0)
    }

    @Test("The random histories reach every kind of directive and refusal")
    func coverage() {
        var seen: Set<String> = []
        for index in Self.configurations.indices {
            var history = History(Self.configurations[index], seed: 11)
            for _ in 0..<1_500 {
                for directive in history.step().directives {
                    switch directive {
                    case .ping: seen.insert("ping")
                    case .inserted: seen.insert("inserted")
                    case .evicted(_, let replacement): seen.insert(replacement == nil ? "evicted" : "replaced")
                    case .cached: seen.insert("cached")
                    case .dropped: seen.insert("dropped")
                    case .refused(_, let reason):
                        switch reason {
                        case .ownKey: seen.insert("own key")
                        case .outsideKeySpace: seen.insert("outside")
                        case .bucketLimit: seen.insert("bucket limit")
                        case .tableLimit: seen.insert("table limit")
                        case .cacheFull: seen.insert("cache full")
                        }
                    case .changed: seen.insert("changed")
                    }
                }
            }
        }
        #expect(
            seen == [
                "ping", "inserted", "evicted", "replaced", "cached", "dropped", "own key", "bucket limit",
                "table limit", "cache full", "changed",
            ])
    }

    @Test("A hundred thousand events on a table of full size keep the invariants")
    func endurance() {
        var generator = SeededGenerator(seed: 5)
        let local = Key.random(using: &generator)
        var table = RoutingTable(localKey: local)
        var known: [Key] = []
        for step in 0..<Int64(100_000) {
            let now = Instant(milliseconds: step * 1_000)
            let group = NetworkGroup.test(.random(in: 0..<250, using: &generator))
            let isNew = known.count < 4_000 && Bool.random(using: &generator)
            let key =
                isNew
                ? KeySet.key(near: local, bits: 256, using: &generator)
                : known.randomElement(using: &generator) ?? local
            if isNew { known.append(key) }
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: _ = table.heard(of: key, in: group, at: now)
            case 1: _ = table.failed(key)
            default: _ = table.answered(key, from: group, at: now)
            }
        }
        #expect(table.invariantViolations().isEmpty)
        #expect(table.count > 100)
    }
}
