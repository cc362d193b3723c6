import Kademlia
import TestSupport
import Testing

@testable import KadSimulator

@Suite("Virtual time and luck")
struct VirtualTests {
    @Test(
        "Events come in the order of their time, equal ones in the order they were scheduled",
        arguments: Seeds.first(20))
    func eventOrder(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = EventQueue<Int>()
        var expected: [(time: VirtualTime, number: Int)] = []
        var taken: [Int] = []
        for number in 0..<500 {
            let time = VirtualTime(microseconds: Int64(generator.below(50)))
            queue.schedule(number, at: time)
            expected.append((time, number))
        }
        while let (_, number) = queue.next() { taken.append(number) }
        expected.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        #expect(taken == expected.map(\.number))
        #expect(queue.isEmpty && queue.nextTime == nil)
    }

    @Test("Events may be scheduled while others are taken", arguments: Seeds.first(5))
    func mixedOrder(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = EventQueue<Int>()
        var model: [(time: VirtualTime, number: Int)] = []
        for number in 0..<1_000 {
            if generator.below(3) > 0 || model.isEmpty {
                let time = VirtualTime(microseconds: Int64(generator.below(100)))
                queue.schedule(number, at: time)
                model.append((time, number))
            } else {
                let first = model.indices.min {
                    (model[$0].time, model[$0].number) < (model[$1].time, model[$1].number)
                }
                let wanted = first.map { model.remove(at: $0) }
                #expect(queue.next()?.event == wanted?.number)
            }
        }
    }

    @Test("A lognormal draw has its median in the middle and its deviations where they belong")
    func lognormal() {
        let values = (0..<20_000).map { number in
            Distribution.lognormal(median: 100_000, sigmaMilli: 600, uniform: Draw(seed: 1)[number].bits)
        }.sorted()
        func share(below limit: Int64) -> Double { Double(values.count { $0 < limit }) / Double(values.count) }
        #expect(abs(share(below: 100_000) - 0.5) < 0.02)
        // One deviation up and down: e^0.6 = 1.822.
        #expect(abs(share(below: 182_200) - 0.841) < 0.02)
        #expect(abs(share(below: 54_880) - 0.159) < 0.02)
        #expect((values.first ?? 0) > 17_000 && (values.last ?? 0) < 600_000)
    }

    @Test("Powers of two are exact at whole numbers and close between")
    func powers() {
        for exponent in -10...10 {
            let (factor, shift) = Distribution.exp2(Int64(exponent) << 16)
            #expect(factor == 65_536 && shift == Int64(exponent))
        }
        let (factor, shift) = Distribution.exp2(65_536 / 2)
        #expect(shift == 0 && abs(factor - 92_682) < 4)
    }

    @Test("A draw is the same whenever it is asked for, and another one for each path")
    func draws() {
        let draw = Draw(seed: 7)
        #expect(draw[.latency][1][2].bits == Draw(seed: 7)[.latency][1][2].bits)
        let paths = (0..<100).flatMap { left in (0..<100).map { draw[left][$0].bits } }
        #expect(Set(paths).count == paths.count)
        #expect(draw[.latency].bits != draw[.loss].bits)
        #expect(Draw(seed: 8).bits != draw.bits)
        let chances = (0..<10_000).count { draw[$0].happens(permille: 200) }
        #expect(abs(chances - 2_000) < 200)
    }
}
