import Kademlia
import TestSupport
import Testing

@Suite("RoutingTable.closest")
struct ClosestTests {
    struct Space: Sendable {
        let bits: Int
        let k: Int
    }

    static let spaces = [
        Space(bits: 256, k: 20), Space(bits: 256, k: 1), Space(bits: 160, k: 8), Space(bits: 128, k: 3),
        Space(bits: 256, k: 1000),
    ]

    /// The table over a set of keys, and those it holds.
    static func table(
        _ set: KeySet, _ space: Space, using generator: inout SeededGenerator
    ) -> (table: RoutingTable, live: [Key]) {
        let local = Key.random(using: &generator).prefix(space.bits, followedBy: .zero)
        let keys = set.keys(200, near: local, bits: space.bits, using: &generator)
        var table = RoutingTable(
            localKey: local, configuration: .init(k: space.k, limits: nil, keyBits: space.bits))
        for key in keys { _ = table.heard(of: key, in: nil, at: .minutes(0)) }
        return (table, table.buckets.flatMap(\.live).map(\.key))
    }

    @Test("Is exact for every distribution of keys and targets", arguments: KeySet.allCases, Seeds.first(2))
    func oracle(set: KeySet, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for space in Self.spaces {
            let (table, live) = Self.table(set, space, using: &generator)
            #expect(table.count == live.count)
            #expect(table.invariantViolations().isEmpty)
            let targets = KeySet.targets(
                24, near: table.localKey, among: live, bits: space.bits, using: &generator)
            for target in targets {
                let sorted = Oracle.nearest(live.count, of: live, to: target)
                for count in [1, 20, live.count + 1] {
                    let found = table.closest(to: target, count: count).map(\.key)
                    if found != Array(sorted.prefix(count)) {
                        Issue.record("\(set) \(space) count \(count) target \(target) seed \(seed)")
                    }
                }
            }
        }
    }

    @Test("Is exact for each common prefix length with the local key", arguments: KeySet.allCases)
    func everyDepth(set: KeySet) {
        var generator = SeededGenerator(seed: 7)
        let (table, live) = Self.table(set, Space(bits: 256, k: 20), using: &generator)
        for length in stride(from: 0, through: 255, by: 5) {
            let target = table.localKey.flippingBit(length).prefix(
                length + 1, followedBy: .random(using: &generator))
            let found = table.closest(to: target, count: 20).map(\.key)
            #expect(found == Oracle.nearest(20, of: live, to: target), "prefix length \(length)")
        }
    }

    @Test("Passes over contacts that the caller declines, and is exact over the rest", arguments: Seeds.first(3))
    func predicate(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for set in KeySet.allCases {
            let (table, live) = Self.table(set, Space(bits: 256, k: 20), using: &generator)
            let declined = Set(live.filter { _ in Int.random(in: 0..<10, using: &generator) < 7 })
            for target in KeySet.targets(12, near: table.localKey, among: live, bits: 256, using: &generator) {
                let found = table.closest(to: target, count: 20) { !declined.contains($0.key) }.map(\.key)
                let expected = Oracle.nearest(20, of: live.filter { !declined.contains($0) }, to: target)
                #expect(found == expected, "\(set) target \(target)")
            }
        }
    }

    @Test("Nothing is nearest in an empty table, nor when nothing is asked for", arguments: [Key.zero, .max])
    func empty(local: Key) {
        var table = RoutingTable(localKey: local)
        #expect(table.closest(to: .zero, count: 20).isEmpty)
        _ = table.heard(of: Key(1, 2, 3, 4), in: nil, at: .minutes(0))
        #expect(table.closest(to: .zero, count: 0).isEmpty)
        #expect(table.closest(to: .zero, count: -1).isEmpty)
        #expect(table.closest(to: .zero, count: .max).map(\.key) == [Key(1, 2, 3, 4)])
    }

    @Test("Contacts that wait are not found")
    func waiting() {
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 1, limits: nil))
        let keys = (0..<4).map { Key(1 << 63 | UInt64($0), 0, 0, 0) }
        for key in keys { _ = table.heard(of: key, in: nil, at: .minutes(0)) }
        #expect(table.count == 1)
        #expect(table.replacementCount == 1)
        #expect(table.closest(to: keys[3], count: 4).map(\.key) == [keys[0]])
    }
}
