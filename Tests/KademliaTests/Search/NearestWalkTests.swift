import Kademlia
import TestSupport
import Testing

@Suite("Exact nearest-k from a sorted index")
struct NearestWalkTests {
    @Test("agrees with brute force on every distribution", arguments: IndexKeys.allCases)
    func agreesWithBruteForce(set: IndexKeys) {
        for seed in UInt64(1)...300 {
            var generator = SeededGenerator(seed: seed)
            let keys = set.keys(count: Int.random(in: 0...300, using: &generator), using: &generator)
            var index = SortedKeys(keys)
            for _ in 0..<4 {
                let target = IndexKeys.target(near: keys, using: &generator)
                let count = Int.random(in: 0...40, using: &generator)
                let result = NearestWalk(target: target, count: count).run(in: &index)
                #expect(result.isExact)
                #expect(
                    result.nearest.elements == bruteForceNearest(index.keys, to: target, count: count),
                    "\(set), seed \(seed), target \(target), count \(count)")
            }
        }
    }

    @Test(
        "with a filter, agrees with brute force and pays for rejected rows at most three times",
        arguments: IndexKeys.allCases)
    func filtered(set: IndexKeys) {
        for seed in UInt64(1)...100 {
            var generator = SeededGenerator(seed: seed)
            let keys = set.keys(count: Int.random(in: 0...2000, using: &generator), using: &generator)
            let target = IndexKeys.target(near: keys, using: &generator)
            let blocked = nearestBlocked(keys, target, &generator)
            var index = SortedKeys(keys) { !blocked.contains($0) }
            let count = Int.random(in: 1...30, using: &generator)
            let result = NearestWalk(target: target, count: count).run(in: &index)
            let expected = bruteForceNearest(index.keys, to: target, count: count) { !blocked.contains($0) }
            #expect(result.nearest.elements == expected, "\(set), seed \(seed)")
            #expect(result.cost.rows == index.rowsRead)
            #expect(result.cost.seeks == index.seeks)
            let limit = expected.count == count ? expected.last?.distance(to: target) ?? .max : .max
            let rejectedNearer = index.keys.filter { blocked.contains($0) && $0.distance(to: target) < limit }.count
            #expect(result.cost.rows <= 4_000 + 3 * rejectedNearer, "\(set), seed \(seed)")
        }
    }

    /// Blocks the nearest keys, or every second one, or most at random.
    private func nearestBlocked(_ keys: [Key], _ target: Key, _ generator: inout SeededGenerator) -> Set<Key> {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0:
            let most = Int.random(in: 0...max(1, keys.count), using: &generator)
            return Set(bruteForceNearest(keys, to: target, count: most))
        case 1: return Set(keys.filter { _ in Bool.random(using: &generator) })
        default: return Set(keys.filter { _ in Int.random(in: 0..<10, using: &generator) != 0 })
        }
    }

    @Test("stops at maxRows and says that the answer is inexact")
    func maxRows() {
        var generator = SeededGenerator(seed: 7)
        let keys = IndexKeys.clustered.keys(count: 1_000, using: &generator)
        var index = SortedKeys(keys)
        for limit in [0, 1, 2, 10, 50, 90] {
            let target = IndexKeys.target(near: keys, using: &generator)
            let result = NearestWalk(target: target, count: 20, maxRows: limit).run(in: &index)
            #expect(result.cost.rows <= limit)
            let exact = bruteForceNearest(index.keys, to: target, count: 20)
            #expect(!result.isExact || result.nearest.elements == exact)
            if limit < 20 { #expect(!result.isExact) }
        }
        let everything = NearestWalk(target: keys[0], count: 20, maxRows: 4_000).run(in: &index)
        #expect(everything.isExact)
    }

    @Test("pages joined are the whole order", arguments: IndexKeys.allCases)
    func pages(set: IndexKeys) {
        for seed in UInt64(1)...40 {
            var generator = SeededGenerator(seed: seed)
            let keys = set.keys(count: Int.random(in: 0...300, using: &generator), using: &generator)
            var index = SortedKeys(keys)
            let target = IndexKeys.target(near: keys, using: &generator)
            var walk = NearestWalk(target: target, count: Int.random(in: 1...30, using: &generator))
            var joined: [Key] = []
            while true {
                let page = walk.run(in: &index)
                joined += page.nearest.elements
                guard page.nearest.isFull, let last = page.nearest.farthest else { break }
                walk.after = last
            }
            #expect(joined == bruteForceNearest(index.keys, to: target, count: .max), "\(set), seed \(seed)")
        }
    }

    @Test(
        "reads at most 4,000 rows with 768 seeks on any keys, 33 with 2 on uniform ones",
        arguments: IndexKeys.allCases)
    func costs(set: IndexKeys) {
        var most = NearestWalk.Cost()
        var total = 0
        for seed in UInt64(1)...10 {
            var generator = SeededGenerator(seed: seed)
            let keys = set.keys(count: 20_000, using: &generator)
            var index = SortedKeys(keys)
            for _ in 0..<40 {
                let target = IndexKeys.target(near: keys, using: &generator)
                let result = NearestWalk(target: target, count: 20).run(in: &index)
                most.rows = max(most.rows, result.cost.rows)
                most.seeks = max(most.seeks, result.cost.seeks)
                total += result.cost.rows
            }
        }
        #expect(most.rows <= 4_000)
        #expect(most.seeks <= 768)
        if set == .uniform {
            #expect(total <= 33 * 400)
            #expect(most.seeks == 2)
        }
    }
}
