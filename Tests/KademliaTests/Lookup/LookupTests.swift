import TestSupport
import Testing

@testable import Kademlia

@Suite("What a lookup finds")
struct LookupTests {
    @Test(
        "is what an engine that keeps everything finds, whatever share of the network is dead",
        arguments: [0, 20, 50, 90], Seeds.first(4))
    func networks(deadPercent: Int, seed: UInt64) {
        let network = LookupNetwork(size: 2_000, deadPercent: deadPercent, seed: seed)
        var generator = SeededGenerator(seed: seed &+ 77)
        let target = Key.random(using: &generator)
        let known = Set((0..<40).map { _ in network.keys[Int.random(in: 0..<2_000, using: &generator)] })
        var latency = SeededGenerator(seed: seed &+ 5)
        var shell = LookupShell(Lookup(target: target, localKey: network.keys[0]), store: known) { key in
            network.isLive(key)
                ? .answer(network.answer(of: key, to: target), after: .random(in: 20...300, using: &latency)) : .silence
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.finishes == [shell.lookup.closest.count == 20 ? .complete : .exhausted])
        #expect(shell.lookup.closest == shell.oracle(isLive: network.isLive))
        guard deadPercent <= 20 else { return }
        let nearest = network.nearestLive(20, to: target).filter { $0 != network.keys[0] }
        #expect(Set(shell.lookup.closest).intersection(nearest).count >= 17, "too far from the true nearest")
    }

    /// Small numbers, so that the frontier overflows and the store is read on all the time, and everything that can happen
    /// happening at random.
    @Test(
        "is never short of a nearer live peer, with the smallest frontier, failures and late readings at random",
        arguments: Seeds.first(400))
    func randomHistories(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func random(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &generator) }
        let k = random(1...6)
        let alpha = random(1...4)
        let configuration = Lookup.Configuration(
            k: k, alpha: alpha, stop: Bool.random(using: &generator) ? nil : k + random(0...3), paths: random(1...3),
            maximumQueries: 100_000, maximumSkipped: 100_000, maximumMilliseconds: .max,
            widening: Bool.random(using: &generator) ? .none : .init(stall: random(1...3), limit: random(1...8)),
            maximumAwaited: random(1...6), frontierCapacity: random(0...1) * random(0...30),
            maximumNamed: random(1...30))

        let target = Key.random(using: &generator)
        var universe: [Key] = []
        for _ in 0..<random(1...150) { universe.append(KeySet.key(near: target, bits: 256, using: &generator)) }
        let local = universe[0]
        let deadPercent = random(0...100)
        let skipPercent = random(0...30)
        let dead = Set(universe.filter { _ in random(0...99) < deadPercent })
        let unwanted = Set(universe.filter { _ in random(0...99) < skipPercent })
        let known = Set(universe.filter { _ in random(0...3) == 0 })

        var fate = SeededGenerator(seed: seed &+ 1_000)
        var shell = LookupShell(Lookup(target: target, localKey: local, configuration: configuration), store: known) {
            key in
            if unwanted.contains(key) { return .skip }
            let delay = Int64.random(in: 0...3_000, using: &fate)
            if dead.contains(key) { return delay.isMultiple(of: 2) ? .silence : .failure(.refused, after: delay) }
            let names = (0..<Int.random(in: 0...40, using: &fate)).map { _ in
                universe.randomElement(using: &fate) ?? key
            }
            return .answer(names, after: delay)
        }
        let slowReadings = Bool.random(using: &generator)
        shell.refillDelay = { slowReadings ? .random(in: 0...4_000, using: &fate) : 0 }
        // Nobody is given up before the answer: who lives answers.
        shell.rtt = { _ in RTTEstimate(smoothed: 500_000, variation: 500_000) }
        shell.run(steps: random(0...20))
        if !shell.lookup.isFinished {
            shell.offer((0..<10).map { _ in universe.randomElement(using: &generator) ?? local })
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.finishes == [.complete] || shell.finishes == [.exhausted])
        #expect(shell.lookup.closest == shell.oracle { !dead.contains($0) })
        #expect(shell.lookup.closest.count >= k || shell.finishes == [.exhausted])
        #expect(Set(shell.abandoned).isDisjoint(with: shell.lookup.closest))
    }

    @Test("does not depend on anything but what it was told", arguments: Seeds.first(3))
    func repeats(seed: UInt64) {
        let network = LookupNetwork(size: 500, deadPercent: 30, seed: seed)
        func run() -> (asked: [Key], statistics: LookupStatistics) {
            var generator = SeededGenerator(seed: seed)
            let configuration = Lookup.Configuration(paths: 3)
            var shell = LookupShell(
                Lookup(target: .zero, localKey: nil, configuration: configuration), store: Set(network.keys.prefix(60))
            ) { key in
                network.isLive(key)
                    ? .answer(network.answer(of: key, to: .zero), after: .random(in: 20...900, using: &generator))
                    : .silence
            }
            shell.run()
            return (shell.asked, shell.lookup.statistics)
        }
        let first = run()
        let second = run()
        #expect(first.asked == second.asked)
        #expect(first.statistics == second.statistics)
    }

    @Test("is more of the true nearest when more must have answered", arguments: Seeds.first(2))
    func wideStop(seed: UInt64) {
        let network = LookupNetwork(size: 1_500, deadPercent: 50, seed: seed)
        var generator = SeededGenerator(seed: seed &+ 77)
        func found(stop: Int?) -> (recalled: Int, queries: Int) {
            var recalled = 0
            var queries = 0
            for _ in 0..<6 {
                let target = Key.random(using: &generator)
                var shell = LookupShell(
                    Lookup(target: target, localKey: nil, configuration: .init(stop: stop)),
                    store: Set(network.keys.shuffled(using: &generator).prefix(60))
                ) {
                    network.isLive($0)
                        ? .answer(network.answer(of: $0, to: target), after: 100) : .failure(.refused, after: 50)
                }
                shell.run()
                recalled += Set(shell.lookup.closest).intersection(network.nearestLive(20, to: target)).count
                queries += shell.lookup.statistics.queries
                #expect(shell.violations.isEmpty)
            }
            return (recalled, queries)
        }
        let narrow = found(stop: nil)
        let wide = found(stop: 30)
        #expect(wide.recalled > narrow.recalled, "\(narrow) \(wide)")
        #expect(wide.queries > narrow.queries)
    }
}
