import Kademlia
import Testing

/// The local key is zero; `far(n)` has common prefix length 0, so that these contacts share a bucket that cannot split.
@Suite("RoutingTable updates")
struct UpdateTests {
    static func far(_ index: UInt64) -> Key { Key(1 << 63 | index, 0, 0, 0) }
    static func near(_ index: UInt64) -> Key { Key(1 << 62 | index, 0, 0, 0) }

    /// A table whose bucket 0 holds `far(0)..<far(k)`, verified at minute 0, 1, 2 …
    static func fullTable(k: Int = 3, cache: Int? = nil, limits: DiversityLimits? = nil) -> RoutingTable {
        var table = RoutingTable(
            localKey: .zero, configuration: .init(k: k, replacementCacheSize: cache, limits: limits))
        for index in 0..<k {
            _ = table.answered(far(UInt64(index)), from: nil, at: .minutes(Int64(index)))
        }
        _ = table.heard(of: near(0), in: nil, at: .minutes(0))
        return table
    }

    static func live(_ table: RoutingTable, _ bucket: Int = 0) -> [Key] { table.buckets[bucket].live.map(\.key) }
    static func waiting(_ table: RoutingTable, _ bucket: Int = 0) -> [Key] {
        table.buckets[bucket].replacements.map(\.key)
    }

    let far = Self.far

    @Test("A bucket with room takes whoever is named, unverified")
    func room() throws {
        var table = RoutingTable(localKey: .zero)
        #expect(
            table.heard(of: far(1), in: .test(1), at: .minutes(5))
                == [.inserted(far(1), bucket: 0), .changed(bucket: 0)])
        let contact = try #require(table.liveContact(far(1)))
        #expect(contact.standing == .unproven)
        #expect(contact.networkGroup == .test(1))
        #expect(contact.firstSeen == .minutes(5) && contact.lastSeen == .minutes(5) && contact.lastOK == nil)
    }

    @Test("Only what the peer itself sends makes it recently seen; only an answer verifies it")
    func recency() {
        var table = Self.fullTable()
        #expect(table.heard(of: far(0), in: .test(9), at: .minutes(7)) == [])
        #expect(Self.live(table) == [far(0), far(1), far(2)])
        #expect(table.liveContact(far(0))?.networkGroup == nil)

        #expect(table.heard(from: far(0), in: .test(9), at: .minutes(8)) == [.changed(bucket: 0)])
        #expect(Self.live(table) == [far(1), far(2), far(0)])
        #expect(table.liveContact(far(0))?.networkGroup == nil)
        #expect(table.liveContact(far(0))?.lastOK == .minutes(0))

        _ = table.heard(from: Self.near(0), in: nil, at: .minutes(8))
        #expect(table.liveContact(Self.near(0))?.standing == .unproven)
        _ = table.answered(Self.near(0), from: .test(2), at: .minutes(9))
        #expect(table.liveContact(Self.near(0))?.standing == .verified)
        #expect(table.liveContact(Self.near(0))?.networkGroup == .test(2))
    }

    @Test("The own key and keys wider than the space are refused, and change nothing")
    func refused() {
        var table = RoutingTable(localKey: Key(1, 0, 0, 0), configuration: .init(keyBits: 160))
        let before = table
        #expect(table.answered(Key(1, 0, 0, 0), from: nil, at: .minutes(0)) == [.refused(Key(1, 0, 0, 0), .ownKey)])
        let wide = Key(2, 0, 0, 1)
        #expect(table.heard(of: wide, in: nil, at: .minutes(0)) == [.refused(wide, .outsideKeySpace)])
        #expect(table.failed(wide) == [])
        #expect(table.remove(Key(1, 0, 0, 0)) == [])
        #expect(table == before)
    }

    @Test("A newcomer to a full bucket waits; nobody is asked while nobody is in doubt")
    func wait() {
        var table = Self.fullTable()
        #expect(
            table.answered(far(9), from: nil, at: .minutes(3))
                == [.cached(far(9), bucket: 0), .changed(bucket: 0)])
        #expect(table.waitingContact(far(9))?.standing == .verified)
        #expect(table.liveContact(far(9)) == nil)
    }

    @Test("The least recently seen contact in doubt is asked, again and again until the outcome is known")
    func ask() {
        var table = Self.fullTable()
        let now = Instant.minutes(16)
        #expect(table.questionable(at: now).map(\.key) == [far(0), far(1), Self.near(0)])
        for index: UInt64 in 8...9 {
            #expect(
                table.heard(of: far(index), in: nil, at: now)
                    == [.cached(far(index), bucket: 0), .ping(far(0)), .changed(bucket: 0)])
        }
        #expect(table.answered(far(0), from: nil, at: now) == [.changed(bucket: 0)])
        #expect(Self.live(table) == [far(1), far(2), far(0)])
        #expect(Self.waiting(table) == [far(8), far(9)])
        #expect(table.heard(of: far(9), in: nil, at: now) == [.ping(far(1)), .changed(bucket: 0)])
    }

    @Test("A contact that fails too often gives its place to the most recently seen that waits")
    func replace() {
        var table = Self.fullTable()
        _ = table.heard(of: far(8), in: nil, at: .minutes(4))
        _ = table.heard(of: far(9), in: nil, at: .minutes(5))
        #expect(table.failed(far(1)) == [.changed(bucket: 0)])
        #expect(
            table.failed(far(1)) == [
                .evicted(far(1), replacedBy: far(9)), .inserted(far(9), bucket: 0), .changed(bucket: 0),
            ])
        #expect(Self.live(table) == [far(0), far(2), far(9)])
        #expect(Self.waiting(table) == [far(8)])
    }

    @Test("Of those that wait, one that answered goes before names that were seen later")
    func promoteProof() {
        var table = Self.fullTable()
        _ = table.answered(far(7), from: nil, at: .minutes(3))
        _ = table.heard(of: far(8), in: nil, at: .minutes(4))
        #expect(
            table.remove(far(0)) == [
                .evicted(far(0), replacedBy: far(7)), .inserted(far(7), bucket: 0), .changed(bucket: 0),
            ])
        #expect(Self.live(table) == [far(1), far(2), far(7)])
    }

    @Test("An answer in between forgets the failures")
    func forgive() {
        var table = Self.fullTable()
        _ = table.heard(of: far(9), in: nil, at: .minutes(4))
        _ = table.failed(far(0))
        _ = table.answered(far(0), from: nil, at: .minutes(5))
        _ = table.failed(far(0))
        #expect(table.liveContact(far(0))?.consecutiveFailures == 1)
    }

    @Test("A contact that once answered stays while nobody waits, and then yields to the first who comes")
    func staleStays() {
        var table = Self.fullTable()
        for _ in 0..<5 { #expect(table.failed(far(1)) == [.changed(bucket: 0)]) }
        #expect(
            table.heard(of: far(9), in: nil, at: .minutes(4)) == [
                .evicted(far(1), replacedBy: far(9)), .inserted(far(9), bucket: 0), .changed(bucket: 0),
            ])
    }

    @Test("After a restart one failure is enough to lose the place to one that has answered since")
    func restoredYields() {
        var table = Self.fullTable()
        table.markAllUnverified()
        _ = table.answered(far(9), from: nil, at: .minutes(4))
        #expect(Self.live(table) == [far(0), far(1), far(2)] && Self.waiting(table) == [far(9)])
        #expect(
            table.failed(far(1)) == [
                .evicted(far(1), replacedBy: far(9)), .inserted(far(9), bucket: 0), .changed(bucket: 0),
            ])
        _ = table.failed(far(2))
        _ = table.heard(of: far(8), in: nil, at: .minutes(5))
        #expect(Self.waiting(table) == [far(8)], "a name does not displace it")
        _ = table.answered(far(8), from: nil, at: .minutes(6))
        #expect(Self.live(table) == [far(0), far(9), far(8)])
    }

    @Test("A name that never answered leaves when it fails, whoever waits")
    func namesLeave() {
        var table = Self.fullTable()
        _ = table.failed(Self.near(0))
        #expect(table.failed(Self.near(0)) == [.evicted(Self.near(0), replacedBy: nil), .changed(bucket: 1)])
        #expect(table.buckets[1].live.isEmpty)
    }

    @Test("A contact that waits and fails too often is dropped")
    func waitingFails() {
        var table = Self.fullTable()
        _ = table.heard(of: far(9), in: nil, at: .minutes(4))
        #expect(table.failed(far(9)) == [.changed(bucket: 0)])
        #expect(table.failed(far(9)) == [.dropped(far(9)), .changed(bucket: 0)])
        #expect(table.failed(far(9)) == [])
    }

    @Test("A flood of names displaces nobody who answered, neither live nor waiting")
    func floodOfNames() {
        var table = Self.fullTable(cache: 2)
        _ = table.answered(far(7), from: nil, at: .minutes(3))
        _ = table.answered(far(8), from: nil, at: .minutes(3))
        for index: UInt64 in 100..<1100 {
            #expect(table.heard(of: far(index), in: nil, at: .minutes(4)) == [.refused(far(index), .cacheFull)])
        }
        #expect(Self.live(table) == [far(0), far(1), far(2)])
        #expect(Self.waiting(table) == [far(7), far(8)])
    }

    @Test("A peer that answers takes the place of a name, not of one that answered in an earlier life")
    func proofBeforeNames() {
        var table = Self.fullTable()
        table.markAllUnverified()
        #expect(
            table.answered(far(9), from: nil, at: .minutes(3))
                == [.cached(far(9), bucket: 0), .ping(far(0)), .changed(bucket: 0)])

        var names = RoutingTable(localKey: .zero, configuration: .init(k: 2, limits: nil))
        for index: UInt64 in 0..<2 { _ = names.heard(of: far(index), in: nil, at: .minutes(0)) }
        #expect(
            names.answered(far(9), from: nil, at: .minutes(1)) == [
                .evicted(far(0), replacedBy: far(9)), .inserted(far(9), bucket: 0), .changed(bucket: 0),
                .changed(bucket: 1),
            ])
    }

    @Test("A name that waits and then answers takes the place of a name")
    func waitingAnswers() {
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 1, limits: nil))
        _ = table.heard(of: far(0), in: nil, at: .minutes(0))
        _ = table.heard(of: far(1), in: nil, at: .minutes(1))
        #expect(
            table.answered(far(1), from: nil, at: .minutes(2)) == [
                .evicted(far(0), replacedBy: far(1)), .inserted(far(1), bucket: 0), .changed(bucket: 0),
            ])
        #expect(Self.waiting(table).isEmpty)
    }

    @Test("Without a replacement cache newcomers are refused, and the bucket still asks")
    func noCache() {
        var table = Self.fullTable(cache: 0)
        #expect(
            table.heard(of: far(9), in: nil, at: .minutes(60))
                == [.refused(far(9), .cacheFull), .ping(far(0))])
    }

    @Test("Only the bucket that contains the local key splits")
    func split() {
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 2, limits: nil))
        _ = table.heard(of: far(0), in: nil, at: .minutes(0))
        _ = table.heard(of: Self.near(0), in: nil, at: .minutes(0))
        #expect(table.buckets.count == 1)
        #expect(
            table.heard(of: far(1), in: nil, at: .minutes(0)) == [
                .inserted(far(1), bucket: 0), .changed(bucket: 0), .changed(bucket: 1),
            ])
        #expect(table.buckets.map(\.live.count) == [2, 1])
        _ = table.heard(of: far(2), in: nil, at: .minutes(0))
        #expect(table.buckets.count == 2)
        #expect(table.buckets[0].replacements.count == 1)
    }

    @Test("One newcomer may split as often as a key has bits; each bucket is named", arguments: [256, 160, 128])
    func deepSplit(bits: Int) {
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 1, limits: nil, keyBits: bits))
        let deepest = Key.zero.flippingBit(bits - 1)
        let sibling = Key.zero.flippingBit(bits - 2)
        _ = table.heard(of: deepest, in: nil, at: .minutes(0))
        #expect(
            table.heard(of: sibling, in: nil, at: .minutes(0))
                == [.inserted(sibling, bucket: bits - 2)] + (0..<bits).map { .changed(bucket: $0) })
        #expect(table.buckets.count == bits)
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("A split divides those that wait as well, and they fill the room it makes")
    func splitFills() {
        let contacts = { (keys: [Key]) in
            keys.map { Contact(key: $0, networkGroup: nil, firstSeen: .minutes(0), lastSeen: .minutes(0)) }
        }
        let snapshot = BucketSnapshot(
            index: 0, refreshedAt: .minutes(3), live: contacts([far(0), Self.near(0)]),
            replacements: contacts([far(1), far(2), Self.near(1)]))
        var (table, faults) = RoutingTable.restored(
            from: [snapshot], localKey: .zero, configuration: .init(k: 2, replacementCacheSize: 3, limits: nil))
        #expect(faults.isEmpty)
        #expect(
            table.heard(of: far(3), in: nil, at: .minutes(1)) == [
                .inserted(far(2), bucket: 0), .inserted(Self.near(1), bucket: 1), .cached(far(3), bucket: 0),
                .ping(far(0)), .changed(bucket: 0), .changed(bucket: 1),
            ])
        #expect(Self.live(table, 0) == [far(0), far(2)])
        #expect(Self.live(table, 1) == [Self.near(0), Self.near(1)])
        #expect(Self.waiting(table, 0) == [far(1), far(3)])
        #expect(table.buckets.map(\.refreshedAt) == [.minutes(3), .minutes(3)])
    }

    @Test("A clock that was set back leaves the order of a bucket intact")
    func clockSetBack() {
        var table = Self.fullTable()
        _ = table.heard(from: far(2), in: nil, at: .minutes(-5))
        #expect(Self.live(table) == [far(2), far(0), far(1)])
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("The ends of time are times")
    func extremes() {
        var table = Self.fullTable()
        for milliseconds in [Int64.min, .max] {
            let instant = Instant(milliseconds: milliseconds)
            _ = table.heard(of: far(50), in: nil, at: instant)
            _ = table.answered(far(1), from: nil, at: instant)
            _ = table.refreshed(bucket: 0, at: instant)
            _ = table.questionable(at: Instant(milliseconds: ~milliseconds))
            #expect(table.bucketsToRefresh(at: Instant(milliseconds: ~milliseconds)).contains(0))
        }
        #expect(table.invariantViolations().isEmpty)
    }
}
