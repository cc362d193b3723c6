import TestSupport
import Testing

@testable import Kademlia

@Suite("What a lookup costs, whatever it is told")
struct LookupBoundsTests {
    @Test("A hundred thousand offered peers leave a frontier of O(k), one distance each, and storage as at first")
    func manyOffers() {
        var generator = SeededGenerator(seed: 11)
        let keys = (0..<100_000).map { _ in Key.random(using: &generator) }
        let target = Key.random(using: &generator)
        var lookup = Lookup(target: target, localKey: nil)
        let reserved = lookup.paths[0].frontier.reservedCapacity
        _ = lookup.start(at: .zero)
        _ = lookup.offered(keys, at: .zero)
        #expect(lookup.statistics.offered == 100_000)
        #expect(lookup.statistics.distances == 100_000)
        #expect(lookup.statistics.peakFrontier == 100, "20 answered, 40 awaited, 40 waiting")
        // The record lows of a random sequence: about capacity · ln(n / capacity).
        #expect(lookup.statistics.entered < 1_200)
        #expect(lookup.paths[0].frontier.reservedCapacity == reserved)
        #expect(
            lookup.paths[0].frontier.entries.map { target.advanced(by: $0.distance) }
                == Oracle.nearest(100, of: keys, to: target))
        // The worst order: each nearer than all before it.
        lookup = Lookup(target: .zero, localKey: nil)
        _ = lookup.offered((0..<20_000).reversed().map { Key(0, 0, 0, $0) }, at: .zero)
        #expect(lookup.statistics.entered == 20_000)
        #expect(lookup.statistics.peakFrontier == 100)
        #expect(lookup.paths[0].frontier.reservedCapacity == reserved)
    }

    @Test("A whole lookup never allocates for its frontiers", arguments: [1, 4])
    func noAllocation(paths: Int) {
        let network = LookupNetwork(size: 1_000, deadPercent: 40, seed: 3)
        let lookup = Lookup(target: .zero, localKey: nil, configuration: .init(stop: 30, paths: paths))
        let reserved = lookup.paths.map(\.frontier.reservedCapacity)
        var shell = LookupShell(lookup, store: Set(network.keys.prefix(500))) {
            network.isLive($0) ? .answer(network.answer(of: $0, to: .zero), after: 30) : .silence
        }
        shell.inspect = { shell, _ in #expect(shell.lookup.paths.map(\.frontier.reservedCapacity) == reserved) }
        shell.run()
        #expect(shell.lookup.statistics.distances == shell.lookup.statistics.offered)
    }

    @Test("An answer's names beyond the limit are ignored and counted, own key and duplicates do no harm")
    func hostileAnswer() {
        let own = LookupScript.key(3)
        var lookup = Lookup(target: .zero, localKey: own, configuration: .init(k: 4, alpha: 1, widening: .none))
        _ = lookup.offered([LookupScript.key(50), own], at: .zero)
        let first = lookup.start(at: .zero)
        guard case .refill(let token, _) = first.first else { return #expect(Bool(false), "\(first)") }
        #expect(lookup.refilled(token, with: [own], reached: nil, at: .zero) == [.query(LookupScript.key(50))])
        let entered = lookup.statistics.entered
        let names = [own, own, LookupScript.key(9), LookupScript.key(9), LookupScript.key(50), LookupScript.key(8)]
        let directives = lookup.answered(
            LookupScript.key(50), naming: names + (100..<5_100).map { LookupScript.key($0) }, at: .zero)
        #expect(lookup.statistics.ignored == 4_998)
        #expect(lookup.statistics.entered == entered + 4, "9, 8 and the first two of the thousands")
        #expect(
            directives == [9, 8, 100].map { .closer(LookupScript.key($0)) } + [.query(LookupScript.key(8))])
        #expect(!lookup.paths[0].frontier.entries.contains { $0.distance.word3 == 3 })
    }

    @Test(
        "Peers that answer with thousands of inventions cost the limit of queries and no more",
        arguments: Seeds.first(3))
    func inventors(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let target = Key.random(using: &generator)
        var depth = 0
        // Each answer names 1,000 peers that are nearer than all before, and all of them answer likewise.
        var shell = LookupShell(
            Lookup(target: target, localKey: nil, configuration: .init(maximumQueries: 120)),
            store: [.random(using: &generator)]
        ) { _ in
            depth = min(depth + 1, 250)
            return .answer(
                (0..<1_000).map { _ in target.prefix(depth, followedBy: .random(using: &generator)) }, after: 10)
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.lookup.statistics.queries == 120)
        #expect(shell.finishes == [.queryLimit])
        #expect(shell.lookup.statistics.offered <= 121 * 40)
        #expect(shell.lookup.statistics.ignored == 120 * 960)
        #expect(shell.lookup.statistics.peakFrontier <= 100)
    }

    @Test("Every counter says what happened")
    func statistics() {
        var script = LookupScript(.init(k: 3, alpha: 3, widening: .none), knowing: 11...20)
        #expect(script.lookup.statistics.offered == 10)
        #expect(script.lookup.statistics.entered == 10)
        #expect(script.lookup.statistics.queries == 0)
        script.skip(11, at: 5)
        script.dispatch(rtt: .quick, at: 5)
        for number in [12, 13] {
            _ = script.lookup.dispatched(LookupScript.key(UInt64(number)), rtt: .quick, at: .zero)
        }
        script.answer(12, naming: [2, 3, 12], at: 50)
        script.fail(13, .reset, at: 60)
        script.answer(2, naming: [1], at: 70)
        script.tick(at: 900)
        script.tick(at: 1_005)
        script.cancel(at: 1_205)
        let statistics = script.lookup.statistics
        #expect(statistics.skipped == 1)
        #expect(statistics.queries == 4)
        #expect(statistics.answers == 2)
        #expect(statistics.failures == 2)
        #expect(statistics.failures(of: .reset) == 1)
        #expect(statistics.timeouts == 1)
        #expect(statistics.failures(of: .local) == 0)
        #expect(statistics.abandoned == 0, "what was asked for last had not left")
        #expect(statistics.slow == 1)
        #expect(statistics.refills == 1)
        #expect(statistics.hops == 2)
        #expect(statistics.offered == 14)
        #expect(statistics.distances == 14)
        #expect(statistics.entered == 13)
        #expect(statistics.peakFrontier == 11)
        #expect(statistics.peakActive == 3)
        #expect(statistics.milliseconds == 1_205)
        #expect(statistics.reason == .cancelled)
    }

    @Test("Every query ends as an answer, a failure or abandoned", arguments: Seeds.first(10))
    func balance(seed: UInt64) {
        let network = LookupNetwork(size: 400, deadPercent: 50, seed: seed)
        var generator = SeededGenerator(seed: seed)
        var shell = LookupShell(
            Lookup(target: .zero, localKey: nil, configuration: .init(beta: seed.isMultiple(of: 2) ? 3 : nil)),
            store: Set(network.keys.prefix(60))
        ) { key in
            let delay = Int64.random(in: 1...2_000, using: &generator)
            if delay.isMultiple(of: 7) { return .skip }
            return network.isLive(key) ? .answer(network.answer(of: key, to: .zero), after: delay) : .silence
        }
        shell.run()
        let statistics = shell.lookup.statistics
        #expect(shell.asked.count == statistics.queries)
        #expect(statistics.queries == statistics.answers + statistics.failures + statistics.abandoned)
        #expect(statistics.answers == shell.answered.count)
        #expect(statistics.timeouts == shell.expired.count)
        #expect(statistics.abandoned == shell.abandoned.count)
        #expect(statistics.skipped == shell.skipped.count)
        #expect(statistics.refills == shell.refillCounts.count)
        #expect(statistics.reason == shell.finishes.first)
    }

    @Test("Calls out of order, twice, of unknown peers or at odd times break nothing", arguments: Seeds.first(60))
    func misuse(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let keys = (0..<40).map { _ in Key.random(using: &generator).prefix(8, followedBy: .zero) }
        let configuration = Lookup.Configuration(
            k: .random(in: -1...5, using: &generator), alpha: .random(in: -1...4, using: &generator),
            stop: .random(in: -3...9, using: &generator), beta: seed.isMultiple(of: 3) ? 2 : nil,
            paths: .random(in: -2...3, using: &generator), maximumQueries: .random(in: -1...60, using: &generator),
            maximumSkipped: .random(in: -1...20, using: &generator),
            maximumMilliseconds: seed.isMultiple(of: 4) ? 10_000 : .max,
            widening: .init(
                stall: -1, step: .random(in: -4...4, using: &generator), limit: .random(in: -4...40, using: &generator)),
            maximumAwaited: .random(in: -1...9, using: &generator),
            frontierCapacity: .random(in: -1...20, using: &generator))
        var lookup = Lookup(target: keys[0], localKey: keys[1], configuration: configuration)
        var tokens = [Lookup.RefillToken(after: nil, number: -1)]
        var finishes = 0
        for _ in 0..<400 {
            let now = Uptime(
                milliseconds: [.min, .max, 0, 5_000].randomElement(using: &generator).flatMap { edge in
                    Int.random(in: 0..<40, using: &generator) == 0 ? edge : nil
                } ?? .random(in: 0...6_000, using: &generator))
            let key = keys.randomElement(using: &generator) ?? keys[0]
            let names = (0..<Int.random(in: 0...9, using: &generator)).compactMap { _ in
                keys.randomElement(using: &generator)
            }
            var directives: [Lookup.Directive] = []
            switch Int.random(in: 0..<16, using: &generator) {
            case 0: directives = lookup.start(at: now)
            case 1: directives = lookup.offered(names, at: now)
            case 2, 3:
                let token = tokens.randomElement(using: &generator) ?? tokens[0]
                let reached: Distance? = Bool.random(using: &generator) ? nil : key.distance(to: keys[0])
                directives = lookup.refilled(token, with: names, reached: reached, at: now)
            case 4...7:
                let marks = lookup.dispatched(key, rtt: .init(smoothed: .min, variation: .max), at: now)
                #expect(marks.slowAt <= marks.deadline)
            case 8: directives = lookup.skipped(key, at: now)
            case 9...11: directives = lookup.answered(key, naming: names, at: now)
            case 12, 13: directives = lookup.failed(key, .timeout, at: now)
            default: directives = lookup.tick(at: now)
            }
            for directive in directives {
                if case .refill(let token, let count) = directive {
                    tokens.append(token)
                    #expect(count > 0)
                }
                if case .finished = directive { finishes += 1 }
                if case .query(let key) = directive { #expect(key != keys[1]) }
            }
            let violations = lookup.invariantViolations()
            #expect(violations.isEmpty)
            if !violations.isEmpty { return }
        }
        _ = lookup.cancel(at: .zero)
        #expect(finishes <= 1)
        #expect(lookup.isFinished)
    }

    @Test("The names of the reasons lead back to them")
    func reasons() {
        for reason in Lookup.FinishReason.allCases { #expect(Lookup.FinishReason(name: reason.name) == reason) }
        #expect(Lookup.FinishReason(name: "complete ") == nil)
    }
}
