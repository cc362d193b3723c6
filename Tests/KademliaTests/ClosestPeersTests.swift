import Kademlia
import TestSupport
import Testing

@Suite("ClosestPeers")
struct ClosestPeersTests {
    @Test("Keeps what a full sort keeps, whatever the order of the offers", arguments: KeySet.allCases, Seeds.first(3))
    func oracle(set: KeySet, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let local = Key.random(using: &generator)
        let keys = set.keys(150, near: local, bits: 256, using: &generator)
        for target in KeySet.targets(8, near: local, among: keys, bits: 256, using: &generator) {
            let sorted = Oracle.nearest(keys.count, of: keys, to: target)
            for capacity in [1, 2, 20, keys.count + 5] {
                var nearest = ClosestPeers<Key>(target: target, capacity: capacity)
                for key in keys { nearest.offer(key, key) }
                #expect(nearest.elements == Array(sorted.prefix(capacity)), "target \(target)")
                #expect(nearest.isFull == (keys.count >= capacity))
                #expect(nearest.farthest == nearest.entries.last?.distance)
            }
        }
    }

    @Test("One key is kept once, and the first offer stays", arguments: [1, 3, 20])
    func duplicates(capacity: Int) {
        var nearest = ClosestPeers<Int>(target: .zero, capacity: capacity)
        for round in 0..<3 {
            for value in 1...UInt64(2 * capacity) { nearest.offer(Key(0, 0, 0, value), round) }
        }
        #expect(nearest.elements == Array(repeating: 0, count: capacity))
    }

    @Test("Says before an offer whether it would be kept", arguments: Seeds.first(3))
    func wouldKeep(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let target = Key.random(using: &generator)
        var nearest = ClosestPeers<Key>(target: target, capacity: 5)
        for _ in 0..<500 {
            let key = KeySet.key(near: target, bits: 256, using: &generator)
            let isThere = nearest.elements.contains(key)
            let answer = nearest.wouldKeep(key.distance(to: target))
            let isKept = nearest.offer(key, key)
            #expect(isKept == (answer && !isThere))
        }
    }

    @Test("A capacity below one keeps nothing", arguments: [0, -1, Int.min])
    func nothing(capacity: Int) {
        var nearest = ClosestPeers<Int>(target: .zero, capacity: capacity)
        #expect(nearest.offer(.zero, 1) == false)
        #expect(nearest.offer(.max, 1) == false)
        #expect(nearest.isEmpty)
        #expect(nearest.isFull)
    }

    @Test("Peers at the same first word of distance are told apart by the others")
    func equalFirstWord() {
        var nearest = ClosestPeers<UInt64>(target: .zero, capacity: 2)
        for value: UInt64 in [9, 3, 7, 1] { nearest.offer(Key(5, 5, 5, value), value) }
        #expect(nearest.elements == [1, 3])
    }

    @Test("After a truncation farther peers are taken again")
    func truncation() {
        var nearest = ClosestPeers<UInt64>(target: .zero, capacity: 3)
        for value: UInt64 in 1...3 { nearest.offer(Key(value, 0, 0, 0), value) }
        nearest.truncate(to: 1)
        #expect(nearest.elements == [1])
        #expect(nearest.offer(Key(9, 0, 0, 0), 9) == true)
        #expect(nearest.elements == [1, 9])
        nearest.truncate(to: -1)
        #expect(nearest.isEmpty)
    }
}
