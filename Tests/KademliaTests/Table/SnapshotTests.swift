import TestSupport
import Testing

@testable import Kademlia

@Suite("RoutingTable snapshots")
struct SnapshotTests {
    let far = UpdateTests.far
    let near = UpdateTests.near

    static func contact(_ key: Key, _ minute: Int64 = 0, _ group: NetworkGroup? = nil) -> Contact {
        Contact(key: key, networkGroup: group, firstSeen: .minutes(minute), lastSeen: .minutes(minute))
    }

    static func bucket(_ index: Int, _ live: [Contact], _ replacements: [Contact] = []) -> BucketSnapshot {
        BucketSnapshot(index: index, refreshedAt: nil, live: live, replacements: replacements)
    }

    @Test("A restored table equals the one the snapshot was taken of", arguments: Seeds.first(3))
    func roundTrip(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let local = Key.random(using: &generator)
        let configuration = RoutingTable.Configuration(k: 4)
        var table = RoutingTable(localKey: local, configuration: configuration)
        for minute in 0..<Int64(400) {
            let key = KeySet.key(near: local, bits: 256, using: &generator)
            let group = NetworkGroup.test(.random(in: 0..<30, using: &generator))
            _ = table.heard(of: key, in: group, at: .minutes(minute))
            if Bool.random(using: &generator) { _ = table.answered(key, from: group, at: .minutes(minute)) }
        }
        _ = table.refreshed(bucket: 1, at: .minutes(9))
        #expect(table.replacementCount > 0 && table.buckets.count > 4)

        let snapshots = table.snapshot().shuffled(using: &generator)
        let (restored, faults) = RoutingTable.restored(from: snapshots, localKey: local, configuration: configuration)
        #expect(faults.isEmpty)
        #expect(restored == table)
        #expect(restored.invariantViolations().isEmpty)
    }

    @Test("Nothing restores as an empty table")
    func empty() {
        let (table, faults) = RoutingTable.restored(from: [], localKey: .max)
        #expect(faults.isEmpty)
        #expect(table == RoutingTable(localKey: .max))
        #expect(table.snapshot().count == 1)
        #expect(table.snapshot(ofBucket: 1) == nil)
    }

    @Test("Buckets that no table has are dropped, and gaps are empty buckets")
    func indices() {
        let snapshots = [
            Self.bucket(-1, [Self.contact(far(1))]), Self.bucket(256, []), Self.bucket(.max, []), Self.bucket(.min, []),
            Self.bucket(0, [Self.contact(far(2))]), Self.bucket(0, [Self.contact(far(3))]),
            Self.bucket(2, [Self.contact(Key(0, 0, 0, 1))]),
        ]
        let (table, faults) = RoutingTable.restored(from: snapshots, localKey: .zero)
        #expect(
            faults == [
                .bucketOutOfRange(-1), .bucketOutOfRange(256), .bucketOutOfRange(.max), .bucketOutOfRange(.min),
                .duplicateBucket(0), .missingBucket(1),
            ])
        #expect(table.buckets.map { $0.live.map(\.key) } == [[far(2)], [], [Key(0, 0, 0, 1)]])
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("Contacts that cannot be where they are said to be are dropped, each with its reason")
    func contacts() {
        let wide = Key(1 << 63, 0, 0, 1)
        let snapshots = [
            Self.bucket(
                0,
                [
                    Self.contact(.zero), Self.contact(near(1)), Self.contact(far(1)), Self.contact(far(1)),
                    Self.contact(wide), Self.contact(far(2)), Self.contact(far(3)),
                ],
                [Self.contact(far(2)), Self.contact(far(4)), Self.contact(far(5)), Self.contact(far(6))]),
            Self.bucket(1, [Self.contact(far(7)), Self.contact(near(2))]),
        ]
        let (table, faults) = RoutingTable.restored(
            from: snapshots, localKey: .zero,
            configuration: .init(k: 2, replacementCacheSize: 2, keyBits: 160))
        #expect(
            faults == [
                .dropped(.zero, bucket: 0, .ownKey), .dropped(near(1), bucket: 0, .wrongBucket),
                .dropped(far(1), bucket: 0, .duplicate), .dropped(wide, bucket: 0, .outsideKeySpace),
                .dropped(far(1), bucket: 0, .tooMany), .dropped(far(2), bucket: 0, .duplicate),
                .dropped(far(4), bucket: 0, .tooMany), .dropped(far(7), bucket: 1, .wrongBucket),
            ])
        #expect(UpdateTests.live(table) == [far(2), far(3)])
        #expect(UpdateTests.waiting(table) == [far(5), far(6)])
        #expect(UpdateTests.live(table, 1) == [near(2)])
        #expect(table.count == 3)
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("Contacts beyond the limits of their group are dropped")
    func limits() {
        let group = NetworkGroup.test(1)
        let snapshots = [
            Self.bucket(0, (0..<3).map { Self.contact(far($0), 0, group) }),
            Self.bucket(1, (0..<3).map { Self.contact(near($0), 0, group) }),
        ]
        let (table, faults) = RoutingTable.restored(
            from: snapshots, localKey: .zero,
            configuration: .init(limits: DiversityLimits(perBucket: 2, perTable: 3)))
        #expect(
            faults == [
                .dropped(far(2), bucket: 0, .limit), .dropped(near(1), bucket: 1, .limit),
                .dropped(near(2), bucket: 1, .limit),
            ])
        #expect(table.count == 3)
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("Contacts in the wrong order are sorted, and equals keep theirs")
    func order() {
        let live = [(1, 9), (2, 3), (3, 9), (4, 3)].map { Self.contact(far(UInt64($0.0)), Int64($0.1)) }
        let (table, faults) = RoutingTable.restored(from: [Self.bucket(0, live)], localKey: .zero)
        #expect(faults == [.reordered(bucket: 0)])
        #expect(UpdateTests.live(table) == [far(2), far(4), far(1), far(3)])
    }

    @Test("Nonsense in a contact is corrected when it is made")
    func contactValues() {
        let contact = Contact(
            key: far(1), networkGroup: nil, firstSeen: .minutes(5), lastSeen: .minutes(1), lastOK: nil,
            isVerified: true, consecutiveFailures: -7)
        #expect(!contact.isVerified && contact.consecutiveFailures == 0)
        var (table, _) = RoutingTable.restored(
            from: [
                Self.bucket(
                    0,
                    [
                        Contact(
                            key: far(2), networkGroup: nil, firstSeen: .minutes(0), lastSeen: .minutes(0),
                            lastOK: .minutes(0), consecutiveFailures: .max)
                    ])
            ], localKey: .zero)
        #expect(table.failed(far(2)) == [.changed(bucket: 0)])
    }

    @Test("A restored contact that waits but failed too often is not promoted")
    func hopeless() {
        let failing = Contact(
            key: far(2), networkGroup: nil, firstSeen: .minutes(0), lastSeen: .minutes(9), lastOK: .minutes(0),
            consecutiveFailures: 2)
        var (table, _) = RoutingTable.restored(
            from: [Self.bucket(0, [Self.contact(far(1))], [Self.contact(far(3)), failing])], localKey: .zero)
        #expect(
            table.remove(far(1)) == [
                .evicted(far(1), replacedBy: far(3)), .inserted(far(3), bucket: 0), .changed(bucket: 0),
            ])
        #expect(UpdateTests.waiting(table) == [far(2)])
    }

    @Test("Random nonsense never traps and never breaks an invariant", arguments: Seeds.first(30))
    func nonsense(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let configuration = RoutingTable.Configuration(
            k: 3, replacementCacheSize: 2, limits: DiversityLimits(perBucket: 1, perTable: 2), keyBits: 160)
        let local = Key.random(using: &generator).prefix(160, followedBy: .zero)
        func contacts() -> [Contact] {
            (0..<Int.random(in: 0..<8, using: &generator)).map { _ in
                let bits = Bool.random(using: &generator) ? 160 : 256
                return Self.contact(
                    KeySet.key(near: local, bits: bits, using: &generator), .random(in: 0..<5, using: &generator),
                    Bool.random(using: &generator) ? nil : .test(.random(in: 0..<3, using: &generator)))
            }
        }
        let snapshots = (0..<12).map { _ in
            let index = Int.random(in: -1..<8, using: &generator)
            return Self.bucket(index, contacts(), contacts())
        }
        let (table, faults) = RoutingTable.restored(from: snapshots, localKey: local, configuration: configuration)
        #expect(table.invariantViolations().isEmpty)
        // What was reported as dropped and what was kept is all there was, but for the buckets dropped whole.
        let kept = table.count + table.replacementCount
        let dropped = faults.count { if case .dropped = $0 { true } else { false } }
        var seen: Set<Int> = []
        let offered = snapshots.reduce(0) { sum, snapshot in
            guard snapshot.index >= 0, seen.insert(snapshot.index).inserted else { return sum }
            return sum + snapshot.live.count + snapshot.replacements.count
        }
        #expect(kept + dropped == offered)
    }
}

@Suite("RoutingTable invariants")
struct InvariantTests {
    static let limits = DiversityLimits(perBucket: 1, perTable: 1)

    /// A sound table that each test breaks in one way.
    static func table() -> RoutingTable {
        var table = RoutingTable(
            localKey: .zero,
            configuration: .init(k: 2, replacementCacheSize: 1, limits: limits, keyBits: 160))
        for index: UInt64 in 0..<2 { _ = table.heard(of: UpdateTests.far(index), in: nil, at: .minutes(5)) }
        _ = table.heard(of: UpdateTests.far(2), in: nil, at: .minutes(5))
        _ = table.heard(of: UpdateTests.near(0), in: .test(1), at: .minutes(5))
        return table
    }

    @Test("A sound table has none")
    func sound() { #expect(Self.table().invariantViolations().isEmpty) }

    @Test("Each broken promise is found, and only that")
    func found() {
        typealias Violation = RoutingTable.InvariantViolation
        let far = UpdateTests.far
        let near = UpdateTests.near
        let breaks: [(Violation, (inout RoutingTable) -> Void)] = [
            (.ownKey(bucket: 1), { $0.insertLive(SnapshotTests.contact(.zero, 9), in: 1) }),
            (
                .outsideKeySpace(Key(0, 0, 0, 1), bucket: 1),
                { $0.insertLive(SnapshotTests.contact(Key(0, 0, 0, 1), 9), in: 1) }
            ),
            (
                .wrongBucket(far(8), bucket: 1, commonPrefixLength: 0),
                { $0.insertLive(SnapshotTests.contact(far(8), 9), in: 1) }
            ),
            (
                .wrongBucket(near(8), bucket: 0, commonPrefixLength: 1),
                { $0.buckets[0].replacements = [SnapshotTests.contact(near(8))] }
            ),
            (
                .duplicate(far(1), bucket: 0),
                { $0.buckets[0].replacements = [SnapshotTests.contact(far(1))] }
            ),
            (.tooManyLive(bucket: 0, count: 3), { $0.insertLive(SnapshotTests.contact(far(8), 9), in: 0) }),
            (
                .tooManyReplacements(bucket: 0, count: 2),
                { $0.buckets[0].replacements.append(SnapshotTests.contact(far(8), 9)) }
            ),
            (.order(far(1), bucket: 0), { $0.buckets[0].live[1].lastSeen = .minutes(1) }),
            (.liveCount(recorded: 4, actual: 3), { $0.count += 1 }),
            (.diversity(.test(2), recorded: 0, actual: 1), { $0.buckets[0].live[0].networkGroup = .test(2) }),
            (.diversity(.test(1), recorded: 1, actual: 0), { $0.buckets[1].live[0].networkGroup = nil }),
            (
                .tableLimit(.test(1), count: 2),
                { table in
                    table.removeLive(at: 0, in: 0)
                    table.insertLive(SnapshotTests.contact(far(9), 9, .test(1)), in: 0)
                }
            ),
        ]
        for (violation, damage) in breaks {
            var table = Self.table()
            damage(&table)
            #expect(table.invariantViolations() == [violation])
            #expect(!violation.description.isEmpty)
        }

        var crowded = Self.table()
        crowded.insertLive(SnapshotTests.contact(near(9), 9, .test(1)), in: 1)
        #expect(
            crowded.invariantViolations()
                == [.bucketLimit(.test(1), bucket: 1, count: 2), .tableLimit(.test(1), count: 2)])

        var none = Self.table()
        none.buckets = []
        #expect(none.invariantViolations().contains(.bucketCount(0)))
    }
}
