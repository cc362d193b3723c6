import Kademlia

/// A network on paper: who exists, who lives, who knows whom.
struct LookupNetwork {
    let keys: [Key]
    let dead: Set<Key>
    private let seed: UInt64
    private let k: Int

    /// - Parameter deadPercent: how many of the peers are dead, everywhere.
    init(size: Int, deadPercent: Int, k: Int = 20, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var drawn: Set<Key> = []
        while drawn.count < size { drawn.insert(.random(using: &generator)) }
        let keys = drawn.sorted()
        self.keys = keys
        dead = Set(keys.filter { _ in Int.random(in: 0..<100, using: &generator) < deadPercent })
        self.seed = seed
        self.k = k
    }

    func isLive(_ key: Key) -> Bool { !dead.contains(key) }

    func nearestLive(_ count: Int, to target: Key) -> [Key] {
        Oracle.nearest(count, of: keys.filter(isLive), to: target)
    }

    /// What an honest node answers: the nearest of its table, whose buckets hold min(k, all) peers drawn uniformly before
    /// the deaths. Only the buckets that can matter are drawn, the same ones every time.
    func answer(of node: Key, to target: Key) -> [Key] {
        var near: [Key] = []
        let length = node.commonPrefixLength(with: target)
        // Nearest first: the target's own bucket, then all deeper ones together, then the shallower ones.
        near += bucket(length, of: node)
        var depth = length + 1
        while depth < 256, !range(node.lowerBound(prefix: depth), node.upperBound(prefix: depth)).isEmpty {
            near += bucket(depth, of: node)
            depth += 1
        }
        depth = length - 1
        while depth >= 0, near.count < k {
            near += bucket(depth, of: node)
            depth -= 1
        }
        return Oracle.nearest(k, of: near.filter { $0 != node }, to: target)
    }

    func bucket(_ index: Int, of node: Key) -> [Key] {
        guard index < 256 else { return [] }
        let pivot = node.flippingBit(index)
        let members = range(pivot.lowerBound(prefix: index + 1), pivot.upperBound(prefix: index + 1))
        guard members.count > k else { return Array(keys[members]) }
        var generator = SeededGenerator(seed: seed ^ node.word0 ^ node.word3 &+ UInt64(index))
        var drawn: Set<Int> = []
        while drawn.count < k { drawn.insert(Int.random(in: members, using: &generator)) }
        return drawn.sorted().map { keys[$0] }
    }

    private func range(_ low: Key, _ high: Key) -> Range<Int> {
        let first = firstIndex { $0 >= low }
        return first..<max(first, firstIndex { $0 > high })
    }

    private func firstIndex(where predicate: (Key) -> Bool) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if predicate(keys[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
