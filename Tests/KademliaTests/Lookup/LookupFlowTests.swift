import TestSupport
import Testing

@testable import Kademlia

@Suite("How a lookup asks")
struct LookupFlowTests {
    typealias Configuration = Lookup.Configuration

    @Test("It asks the store first, then the nearest alpha, nearest first")
    func begins() {
        var script = LookupScript(Configuration(k: 5, alpha: 3))
        let first = script.lookup.start(at: .zero)
        #expect(first.count == 1)
        if case .refill(let token, let count) = first.first {
            #expect(token.after == nil)
            #expect(count == 10)
        } else {
            Issue.record("\(first)")
        }
        script = LookupScript(Configuration(k: 5, alpha: 3), knowing: [9, 4, 7, 1, 8])
        #expect(script.queries == [1, 4, 7])
        #expect(script.last.prefix(5) == LookupScript.keys([9, 4, 7, 1, 8]).map { .closer($0) }[...])
        #expect(script.inFlight == [1, 4, 7])
    }

    @Test("A new query leaves as soon as one ends, whichever way it ends")
    func continuousAlpha() {
        var script = LookupScript(Configuration(k: 20, alpha: 3, widening: .none), knowing: 1...20)
        script.dispatch(at: 0)
        script.answer(2, at: 10)
        #expect(script.queries == [4])
        script.dispatch(at: 10)
        script.fail(1, at: 11)
        #expect(script.queries == [5])
        script.skip(5, at: 12)
        #expect(script.queries == [6])
        script.dispatch(at: 12)
        // A nearer peer than all is next, wherever it was heard of.
        script.answer(3, naming: [0], at: 13)
        #expect(script.queries == [0])
        #expect(script.lookup.statistics.peakActive == 3)
    }

    @Test("It never asks more at once than its width, and never a peer twice", arguments: Seeds.first(12))
    func neverWider(seed: UInt64) {
        let network = LookupNetwork(size: 600, deadPercent: 40, seed: seed)
        var generator = SeededGenerator(seed: seed)
        let alpha = Int(seed % 5) + 1
        let configuration = Configuration(alpha: alpha, widening: seed.isMultiple(of: 2) ? .none : .init(limit: 8))
        var shell = LookupShell(
            Lookup(target: .zero, localKey: nil, configuration: configuration), store: Set(network.keys.prefix(50))
        ) {
            network.isLive($0)
                ? .answer(network.answer(of: $0, to: .zero), after: .random(in: 1...3_000, using: &generator))
                : .silence
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.lookup.isFinished)
        #expect(Set(shell.asked).count == shell.asked.count)
        #expect(shell.lookup.statistics.peakActive <= (seed.isMultiple(of: 2) ? alpha : 8))
    }

    @Test("A slow peer's slot is given to another, its late answer is used")
    func slowSlots() {
        var script = LookupScript(Configuration(k: 20, alpha: 2, widening: .none), knowing: 1...20)
        script.dispatch(rtt: .quick, at: 0)
        #expect(script.lookup.nextTick == Uptime(milliseconds: 100))
        script.tick(at: 99)
        #expect(script.last.isEmpty)
        script.tick(at: 100)
        #expect(script.queries == [3, 4])
        #expect(script.inFlight == [1, 2, 3, 4])
        #expect(script.lookup.nextTick == Uptime(milliseconds: 1_000))
        script.dispatch(at: 100)

        // No slot becomes free by a late answer: it had none.
        script.answer(1, naming: [0], at: 999)
        #expect(script.queries.isEmpty)
        #expect(script.closest == [1])
        script.answer(3, at: 999)
        #expect(script.queries == [0])

        script.tick(at: 1_000)
        #expect(script.last == [.expired(LookupScript.key(2))])
        #expect(script.lookup.statistics.slow == 2)
        #expect(script.lookup.statistics.timeouts == 1)
        // Too late: it was given up.
        script.answer(2, naming: [30], at: 1_001)
        #expect(script.last.isEmpty)
    }

    @Test("One silent peer holds nothing up but the end, and that only until its deadline")
    func silentPeer() {
        let names = LookupScript.keys(1...20)
        let lookup = Lookup(target: .zero, localKey: nil, configuration: .init(k: 5, alpha: 1, widening: .none))
        var shell = LookupShell(lookup, store: Set(names)) {
            $0.word3 == 1 ? .silence : .answer([], after: 10)
        }
        shell.rtt = { _ in .quick }
        shell.run()
        #expect(shell.lookup.closest.map(\.word3) == [2, 3, 4, 5, 6])
        #expect(shell.expired == [names[0]])
        // 5 answers after the slow mark, then nothing is left to do but wait.
        #expect(shell.answered.count == 5)
        #expect(shell.lookup.statistics.milliseconds == 1_000)
        #expect(shell.finishes == [.complete])
    }

    @Test("Silent peers never hold more sockets than may be awaited")
    func awaitedIsBounded() {
        let configuration = Configuration(k: 20, alpha: 3, widening: .none, maximumAwaited: 5)
        var script = LookupScript(configuration, knowing: 1...40)
        script.dispatch(rtt: .quick, at: 0)
        script.tick(at: 100)
        #expect(script.queries == [4, 5])
        script.dispatch(rtt: .quick, at: 100)
        script.tick(at: 200)
        #expect(script.queries.isEmpty)
        script.tick(at: 1_000)
        #expect(script.queries == [6, 7, 8])
    }

    @Test("Answers that bring nothing nearer widen it up to k, and one that does narrows it again")
    func widening() {
        var script = LookupScript(Configuration(k: 6, alpha: 2, stop: 12), knowing: 11...30)
        script.dispatch(at: 0)
        script.answer(11, at: 1)
        #expect(script.queries == [13])
        script.answer(12, naming: [29], at: 2)
        #expect(script.queries == [14, 15, 16])
        #expect(script.inFlight.count == 4)
        script.answer(13, at: 3)
        script.answer(14, at: 4)
        #expect(script.inFlight.count == 6)
        script.answer(15, at: 5)
        script.answer(16, at: 6)
        #expect(script.inFlight.count == 6, "k is the limit")
        #expect(script.lookup.statistics.widenings == 2)
        script.answer(17, naming: [5], at: 7)
        #expect(script.queries.isEmpty, "two slots again, and five queries under way")
        script.answer(18, at: 8)
        script.answer(19, at: 9)
        #expect(script.inFlight.count == 4)
    }

    @Test("Failures and skips leave the width alone")
    func failuresDoNotWiden() {
        var script = LookupScript(Configuration(k: 10, alpha: 2), knowing: 1...30)
        for number in stride(from: UInt64(1), to: 12, by: 2) {
            script.fail(number, at: 1)
            script.skip(number + 1, at: 1)
        }
        #expect(script.inFlight.count == 2)
        #expect(script.lookup.statistics.widenings == 0)
    }

    @Test("Only the nearest that must answer are asked, one more for each that failed or is slow")
    func window() {
        var script = LookupScript(Configuration(k: 3, alpha: 10), knowing: 1...30)
        #expect(script.queries == [1, 2, 3])
        script.dispatch(rtt: .quick, at: 0)
        script.fail(2, at: 1)
        #expect(script.queries == [4])
        script.tick(at: 100)
        #expect(script.queries == [5, 6])
    }
}
