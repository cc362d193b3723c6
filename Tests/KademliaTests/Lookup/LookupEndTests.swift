import TestSupport
import Testing

@testable import Kademlia

@Suite("How a lookup ends")
struct LookupEndTests {
    typealias Configuration = Lookup.Configuration

    @Test("Complete when the k nearest that live have answered; what is still awaited is abandoned")
    func complete() {
        var script = LookupScript(Configuration(k: 3, alpha: 4, stop: 3), knowing: 1...9)
        _ = script.lookup.dispatched(LookupScript.key(2), rtt: .quick, at: .zero)
        script.dispatch(at: 0)
        script.tick(at: 100)
        #expect(script.queries == [4])
        script.dispatch(at: 100)
        script.answer(1, at: 101)
        script.answer(3, at: 102)
        script.answer(2, at: 110)
        #expect(script.last == [.abandon(LookupScript.key(4)), .finished(.complete)])
        #expect(script.closest == [1, 2, 3])
        #expect(script.inFlight.isEmpty)
        #expect(script.lookup.nextTick == nil)
        #expect(script.lookup.statistics.abandoned == 1)
        #expect(script.lookup.statistics.milliseconds == 110)
    }

    @Test("With a wider stop, more than k must have answered, and k are returned")
    func stop() {
        var script = LookupScript(Configuration(k: 4, alpha: 9, stop: 6), knowing: 1...9)
        #expect(script.queries == [1, 2, 3, 4, 5, 6])
        for number in 1...5 { script.answer(UInt64(number), at: 1) }
        #expect(!script.lookup.isFinished)
        script.answer(6, at: 2)
        #expect(script.last == [.finished(.complete)])
        #expect(script.closest == [1, 2, 3, 4])
    }

    @Test("With beta, the nearest beta are enough")
    func beta() {
        var script = LookupScript(Configuration(k: 5, alpha: 5, beta: 2), knowing: 1...9)
        script.answer(2, at: 1)
        script.answer(4, at: 1)
        #expect(!script.lookup.isFinished)
        script.fail(1, at: 2)
        #expect(!script.lookup.isFinished)
        script.answer(3, at: 3)
        #expect(script.last.last == .finished(.converged))
        #expect(script.last.dropLast() == LookupScript.keys([5, 6]).map { .abandon($0) }[...])
        #expect(script.closest == [2, 3, 4])
    }

    @Test("Exhausted when fewer than k exist, complete when k do though fewer than must answer")
    func exhausted() {
        var script = LookupScript(Configuration(k: 3, stop: 5), knowing: [])
        #expect(script.last == [.finished(.exhausted)])
        script = LookupScript(Configuration(k: 3, stop: 5), knowing: 1...2)
        script.answer(1, at: 1)
        script.answer(2, at: 1)
        #expect(script.last == [.finished(.exhausted)])
        script = LookupScript(Configuration(k: 3, stop: 5), knowing: 1...4)
        for number in 1...4 { script.answer(UInt64(number), at: 1) }
        #expect(script.last == [.finished(.complete)])
        #expect(script.closest == [1, 2, 3])
    }

    @Test("When failures leave too few, the store is read on behind the horizon, and nothing beyond it is asked before")
    func refill() {
        var script = LookupScript(Configuration(k: 2, alpha: 2), store: 1...4, reached: 10)
        #expect(script.queries == [1, 2])
        script.answer(1, naming: [20], at: 1)
        #expect(script.queries.isEmpty)
        script.fail(2, at: 2)
        #expect(script.queries == [3])
        script.fail(3, at: 3)
        #expect(script.queries == [4])
        #expect(script.refills.isEmpty)
        script.fail(4, at: 4)
        #expect(script.queries.isEmpty, "20 is waiting, but the store may hold a nearer one")
        #expect(script.refills.map(\.after) == [Distance(0, 0, 0, 10)])
        script.refill([15], reached: 18, at: 5)
        #expect(script.queries == [15])
        #expect(script.refills.isEmpty)
        script.answer(15, at: 6)
        #expect(script.last == [.finished(.complete)])
        #expect(script.closest == [1, 15])
        #expect(script.lookup.statistics.refills == 2)
    }

    @Test("The store is read on for slow peers, too")
    func refillForSlow() {
        var script = LookupScript(Configuration(k: 2, alpha: 2), store: 1...2, reached: 5)
        script.dispatch(rtt: .quick, at: 0)
        script.tick(at: 100)
        #expect(script.refills.map(\.after) == [Distance(0, 0, 0, 5)])
        script.refill([8, 9], reached: nil, at: 100)
        #expect(script.queries == [8, 9])
    }

    @Test("An answered peer is no result while the store may hold a nearer one that had to give way")
    func overflow() {
        let configuration = Configuration(
            k: 1, alpha: 1, maximumAwaited: 1, frontierCapacity: 3, maximumNamed: 9)
        var script = LookupScript(configuration, knowing: [100])
        script.answer(100, naming: [40, 50, 45], at: 1)
        #expect(script.queries == [40])
        script.fail(40, at: 2)
        #expect(script.queries == [45])
        script.fail(45, at: 3)
        #expect(script.refills.map(\.after) == [Distance(0, 0, 0, 49)])
        #expect(script.closest == [100])
        script.refill([50, 100], reached: nil, at: 4)
        #expect(script.queries == [50])
        script.answer(50, at: 5)
        #expect(script.last == [.finished(.complete)])
        #expect(script.closest == [50])
    }

    @Test("A store that never gets further counts as read to its end")
    func stuckStore() {
        var script = LookupScript(Configuration(k: 3), store: 1...3, reached: 10)
        script.fail(1, at: 1)
        let first = script.refills
        #expect(first.count == 1)
        script.refill(1...3, reached: 10, at: 2)
        #expect(script.refills.isEmpty)
        script.answer(2, at: 3)
        script.answer(3, at: 3)
        #expect(script.last == [.finished(.exhausted)])
    }

    @Test("No further query after the limit; what is under way is still used")
    func queryLimit() {
        var script = LookupScript(Configuration(k: 9, alpha: 3, maximumQueries: 4), knowing: 1...9)
        script.dispatch(at: 0)
        script.answer(1, at: 1)
        #expect(script.queries == [4])
        script.dispatch(at: 1)
        script.answer(2, at: 2)
        #expect(script.last.isEmpty)
        script.fail(3, at: 2)
        script.answer(4, at: 3)
        #expect(script.last == [.finished(.queryLimit)])
        #expect(script.closest == [1, 2, 4])
        #expect(script.lookup.statistics.queries == 4)
    }

    @Test("Peers passed over are limited, too, and are no queries")
    func skipLimit() {
        var script = LookupScript(Configuration(k: 9, alpha: 1, maximumQueries: 1, maximumSkipped: 3), knowing: 1...9)
        script.skip(1, at: 1)
        script.skip(2, at: 1)
        #expect(script.queries == [3])
        script.skip(3, at: 1)
        #expect(script.last == [.finished(.queryLimit)])
        #expect(script.lookup.statistics.queries == 0)
        #expect(script.lookup.statistics.skipped == 3)
    }

    @Test("After its time it ends with what it has, at the tick or at whatever comes first")
    func timeLimit() {
        var script = LookupScript(Configuration(k: 3, alpha: 3, maximumMilliseconds: 500), knowing: 1...3)
        script.dispatch(at: 0)
        #expect(script.lookup.nextTick == Uptime(milliseconds: 500))
        script.answer(2, at: 10)
        var other = script
        script.tick(at: 500)
        #expect(script.last == LookupScript.keys([1, 3]).map { .abandon($0) } + [.finished(.timeLimit)])
        #expect(script.closest == [2])
        other.answer(1, at: 700)
        #expect(other.last == [.abandon(LookupScript.key(3)), .finished(.timeLimit)])
        #expect(other.closest == [1, 2])
    }

    @Test("Cancelled, it abandons every query and says nothing more, at any step", arguments: Seeds.first(20))
    func cancel(seed: UInt64) {
        let network = LookupNetwork(size: 300, deadPercent: 30, seed: seed)
        var generator = SeededGenerator(seed: seed)
        let lookup = Lookup(target: .zero, localKey: nil, configuration: .init(paths: 1 + Int(seed % 3)))
        var shell = LookupShell(lookup, store: Set(network.keys.prefix(40))) {
            network.isLive($0)
                ? .answer(network.answer(of: $0, to: .zero), after: .random(in: 1...500, using: &generator)) : .silence
        }
        shell.run(steps: Int.random(in: 0...30, using: &generator))
        let underWay = shell.lookup.inFlight
        let wasFinished = shell.lookup.isFinished
        shell.cancel()
        #expect(wasFinished || shell.abandoned == underWay)
        #expect(shell.finishes.count == 1)
        #expect(shell.lookup.inFlight.isEmpty)
        #expect(shell.lookup.nextTick == nil)
        let statistics = shell.lookup.statistics
        shell.cancel()
        shell.offer(network.keys)
        for key in network.keys {
            #expect(shell.lookup.answered(key, naming: network.keys, at: shell.now).isEmpty)
            #expect(shell.lookup.failed(key, .timeout, at: shell.now).isEmpty)
        }
        #expect(shell.lookup.tick(at: Uptime(milliseconds: .max)).isEmpty)
        #expect(shell.lookup.start(at: shell.now).isEmpty)
        #expect(shell.lookup.statistics == statistics)
        #expect(shell.violations.isEmpty)
    }
}

extension LookupScript {
    /// Begun at 0; the first reading brought these peers, and the store was read up to `reached`.
    init(_ configuration: Lookup.Configuration, store numbers: some Sequence<UInt64>, reached: UInt64) {
        self.init(configuration)
        last = lookup.start(at: .zero)
        refill(numbers, reached: reached, at: 0)
    }
}
