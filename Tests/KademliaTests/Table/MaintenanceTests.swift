import Kademlia
import TestSupport
import Testing

@Suite("RoutingTable maintenance")
struct MaintenanceTests {
    let far = UpdateTests.far

    @Test("A contact is in doubt when it is unverified, fails, is silent, or is dated in the future")
    func questionable() {
        var table = UpdateTests.fullTable()
        _ = table.remove(UpdateTests.near(0))
        #expect(table.questionable(at: .minutes(14)).isEmpty)
        #expect(table.questionable(at: .minutes(15)).map(\.key) == [far(0)])
        #expect(table.questionable(at: .minutes(1)).map(\.key) == [far(2)])
        _ = table.failed(far(1))
        #expect(table.questionable(at: .minutes(3)).map(\.key) == [far(1)])
        table.markAllUnverified()
        #expect(table.questionable(at: .minutes(3)).map(\.key) == [far(0), far(1), far(2)])
        #expect(table.liveContact(far(0))?.standing == .answeredBefore)
    }

    @Test("A bucket is due when it never was refreshed, or an hour ago, or in the future")
    func bucketsToRefresh() {
        var table = UpdateTests.fullTable()
        #expect(table.bucketsToRefresh(at: .minutes(0)) == [0, 1])
        #expect(table.refreshed(bucket: 0, at: .minutes(10)) == [.changed(bucket: 0)])
        #expect(table.refreshed(bucket: 0, at: .minutes(10)) == [])
        #expect(table.bucketsToRefresh(at: .minutes(69)) == [1])
        #expect(table.bucketsToRefresh(at: .minutes(70)) == [0, 1])
        #expect(table.bucketsToRefresh(at: .minutes(9)) == [0, 1])
        #expect(table.refreshed(bucket: 2, at: .minutes(10)) == [])
        #expect(table.refreshed(bucket: -1, at: .minutes(10)) == [])
    }

    @Test("Configuration brings values into their range")
    func configuration() {
        let lowest = RoutingTable.Configuration(
            k: -1, replacementCacheSize: -1, limits: DiversityLimits(perBucket: 0, perTable: -3), keyBits: 0,
            stalenessMilliseconds: -1, refreshMilliseconds: -1, maximumFailures: 0)
        #expect(lowest.k == 1 && lowest.replacementCacheSize == 0 && lowest.keyBits == 1)
        #expect(lowest.limits == DiversityLimits(perBucket: 1, perTable: 1))
        #expect(lowest.stalenessMilliseconds == 0 && lowest.refreshMilliseconds == 0 && lowest.maximumFailures == 1)
        #expect(RoutingTable.Configuration(keyBits: 300).keyBits == 256)
        #expect(RoutingTable.Configuration(k: 8).replacementCacheSize == 8)
    }
}

@Suite("RefreshTarget")
struct RefreshTargetTests {
    /// A table of many buckets: a chain toward the local key, down to 40 shared bits.
    static func table(local: Key, bits: Int = 256) -> RoutingTable {
        var table = RoutingTable(localKey: local, configuration: .init(k: 1, limits: nil, keyBits: bits))
        for index in 0..<40 { _ = table.heard(of: table.localKey.flippingBit(index), in: nil, at: .minutes(0)) }
        return table
    }

    /// Stands in for a hash: mixes the bytes well enough to spread keys.
    static func derive(_ bytes: borrowing [UInt8]) -> Key {
        var seed: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in bytes.indices { seed = (seed ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
        var generator = SeededGenerator(seed: seed)
        return .random(using: &generator)
    }

    @Test("A drawn key lies in its bucket, for each bucket", arguments: [256, 160, 128], Seeds.first(2))
    func drawn(bits: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let table = Self.table(local: .random(using: &generator), bits: bits)
        #expect(table.buckets.count >= 39)
        for index in table.buckets.indices {
            guard case .key(let key) = table.refreshTarget(bucket: index, using: &generator) else {
                Issue.record("no key for bucket \(index)")
                continue
            }
            #expect(table.bucketIndex(of: key) == index)
            #expect(key.prefix(bits, followedBy: .zero) == key)
        }
        #expect(table.refreshTarget(bucket: -1, using: &generator) == nil)
        #expect(table.refreshTarget(bucket: table.buckets.count, using: &generator) == nil)
    }

    @Test("The local key itself is never drawn as a bucket's key")
    func neverSelf() {
        var generator = SeededGenerator(seed: 1)
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 1, limits: nil, keyBits: 2))
        _ = table.heard(of: Key(1 << 62, 0, 0, 0), in: nil, at: .minutes(0))
        _ = table.heard(of: Key(1 << 63, 0, 0, 0), in: nil, at: .minutes(0))
        let targets = Set((0..<50).map { _ in table.refreshTarget(bucket: 1, using: &generator) })
        #expect(targets == [.key(Key(1 << 62, 0, 0, 0)), .lookUpSelf])
    }

    @Test("A preimage has its prefix, derives its key, and lies in its bucket", arguments: Seeds.first(2))
    func preimage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let table = Self.table(local: .random(using: &generator))
        for index in 0...8 {
            let target = table.refreshTarget(
                bucket: index, using: &generator, prefix: [0x12, 0x20], deriving: Self.derive)
            guard case .preimage(let bytes, let key) = target else {
                Issue.record("no preimage for bucket \(index)")
                continue
            }
            #expect(bytes.count == 34 && bytes.starts(with: [0x12, 0x20]))
            #expect(Self.derive(bytes) == key)
            #expect(table.bucketIndex(of: key) == index)
        }
    }

    @Test("The last bucket takes any key that shares at least its prefix")
    func lastBucket() {
        var generator = SeededGenerator(seed: 3)
        let table = RoutingTable(localKey: .random(using: &generator))
        var tries = 0
        let target = table.refreshTarget(bucket: 0, using: &generator) { bytes in
            tries += 1
            return Self.derive(bytes)
        }
        #expect(tries == 1)
        guard case .preimage = target else {
            Issue.record("\(String(describing: target))")
            return
        }
    }

    @Test("Deep buckets are refreshed by a lookup of the local key, without a search")
    func deep() {
        var generator = SeededGenerator(seed: 4)
        let table = Self.table(local: .zero)
        for index in 16..<table.buckets.count {
            let target = table.refreshTarget(bucket: index, using: &generator) { _ in
                Issue.record("derived for bucket \(index)")
                return .zero
            }
            #expect(target == .lookUpSelf)
        }
        #expect(table.refreshTarget(bucket: 400, using: &generator, deriving: Self.derive) == nil)
    }

    @Test("A search that finds nothing ends at its bound, and never tried the same bytes twice")
    func bounded() {
        var generator = SeededGenerator(seed: 5)
        let table = Self.table(local: .zero)
        var tried: Set<[UInt8]> = []
        let target = table.refreshTarget(bucket: 5, using: &generator) { bytes in
            tried.insert(copy bytes)
            return .max
        }
        #expect(target == .lookUpSelf)
        #expect(tried.count == 16 << 6)
    }
}
