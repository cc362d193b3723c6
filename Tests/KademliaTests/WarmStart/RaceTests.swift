import Foundation
import TestSupport
import Testing

@testable import Kademlia

@Suite("The weighted race")
struct RaceTests {
    @Test("The logarithm is right to the last of its 32 bits", arguments: Seeds.first(5))
    func logarithm(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var numbers: [UInt64] = [1, 2, 3, 1 << 32, 1 << 63, 1 << 63 - 1, 1 << 63 + 1, .max]
        for _ in 0..<500 { numbers.append(generator.next() >> UInt64.random(in: 0..<64, using: &generator)) }
        for number in numbers where number > 0 {
            let exact = 64 - log2(Double(number))
            let ours = Double(ExponentialRace.negativeLog2(number)) / 4_294_967_296
            #expect(abs(ours - exact) < 1e-9, "\(number)")
        }
        #expect(ExponentialRace.negativeLog2(0) == 64 << 32)
        #expect(ExponentialRace.negativeLog2(1 << 63) == 1 << 32)
    }

    @Test("Of two runners the one of three times the weight wins three races of four; extreme weights do not trap")
    func weights() {
        var generator = SeededGenerator(seed: 1)
        var wins = 0
        for _ in 0..<4000 {
            let heavy = ExponentialRace.finish(weight: 3 << 30, using: &generator)
            let light = ExponentialRace.finish(weight: 1 << 30, using: &generator)
            if heavy < light { wins += 1 }
        }
        #expect((2900...3100).contains(wins), "\(wins)")
        let zero = ExponentialRace.finish(weight: 0, using: &generator)
        #expect(zero > ExponentialRace.finish(weight: .max, using: &generator))
    }

    @Test("The heap gives its indices in order", arguments: Seeds.first(20))
    func heap(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var heap = IndexHeap()
        var model: [Int] = []
        for _ in 0..<300 {
            if Int.random(in: 0..<3, using: &generator) > 0 {
                let index = Int.random(in: 0..<100, using: &generator)
                heap.insert(index)
                model.append(index)
            } else {
                let smallest = model.min()
                #expect(heap.first == smallest)
                let popped = heap.popFirst()
                #expect(popped == smallest)
                if let smallest, let place = model.firstIndex(of: smallest) { model.remove(at: place) }
            }
        }
    }
}
