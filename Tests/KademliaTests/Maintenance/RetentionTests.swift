import Kademlia
import TestSupport
import Testing

@Suite("Retention")
struct RetentionTests {
    static let day: Int64 = 86_400_000
    let retention = Retention()
    let running = Retention.Circumstances(rows: 1000, hasSucceeded: true, mayExpire: true)

    /// A peer that answered an hour ago and is well.
    static func facts(_ change: (inout Retention.Facts) -> Void = { _ in }) -> Retention.Facts {
        var facts = Retention.Facts(
            idleMilliseconds: 3_600_000, onlineSinceSeen: 3_600_000, onlineSinceOK: 3_600_000, hasAnswered: true,
            failuresInARow: 0)
        change(&facts)
        return facts
    }

    static let unproven = facts {
        $0.hasAnswered = false
        $0.onlineSinceOK = nil
        $0.failuresInARow = 3
    }
    static let dead = facts {
        $0.onlineSinceOK = 7 * day
        $0.failuresInARow = 10
    }
    static let unseen = facts {
        $0.onlineSinceOK = 30 * day
        $0.onlineSinceSeen = 30 * day
    }
    static let hopeless: [(Retention.Facts, Retention.Reason)] = [
        (unproven, .neverAnswered), (dead, .dead), (unseen, .unseen),
    ]

    @Test("Each rule drops at its bound and keeps just before it")
    func bounds() {
        for (facts, reason) in Self.hopeless { #expect(retention.verdict(facts, in: running) == .drop(reason)) }
        func keeps(_ facts: Retention.Facts, _ change: (inout Retention.Facts) -> Void) -> Bool {
            var facts = facts
            change(&facts)
            return retention.verdict(facts, in: running) == .keep
        }
        #expect(keeps(Self.unproven) { $0.failuresInARow = 2 })
        #expect(keeps(Self.dead) { $0.onlineSinceOK = 7 * Self.day - 1 })
        #expect(keeps(Self.dead) { $0.failuresInARow = 9 })
        #expect(keeps(Self.dead) { $0.onlineSinceOK = nil })
        #expect(keeps(Self.unseen) { $0.onlineSinceSeen = 30 * Self.day - 1 })
        #expect(keeps(Self.unseen) { $0.onlineSinceSeen = nil })
        #expect(keeps(Self.facts()) { _ in })
        for (facts, _) in Self.hopeless {
            #expect(keeps(facts) { $0.idleMilliseconds = 59_999 })
            #expect(keeps(facts) { $0.idleMilliseconds = nil })
            #expect(keeps(facts) { $0.idleMilliseconds = -1 })
            #expect(keeps(facts) { $0.isInUse = true })
        }
    }

    @Test("Nothing is dropped before the first success, by a clock that is not trusted, or at the floor")
    func circumstances() {
        for (facts, reason) in Self.hopeless {
            for hasSucceeded in [false, true] {
                for mayExpire in [false, true] {
                    for rows in [Int.min, 0, 90, 91] {
                        let drops = hasSucceeded && mayExpire && rows > 90
                        let verdict = retention.verdict(
                            facts, in: .init(rows: rows, hasSucceeded: hasSucceeded, mayExpire: mayExpire))
                        #expect(verdict == (drops ? .drop(reason) : .keep))
                    }
                }
            }
        }
    }

    @Test("The floor is 90 rows, or twice a larger bucket")
    func floor() {
        #expect(Retention.Configuration().minimumRows == 90)
        #expect(Retention.Configuration(k: 45).minimumRows == 90)
        #expect(Retention.Configuration(k: 50).minimumRows == 100)
        #expect(Retention.Configuration(k: .max).minimumRows == .max)
        #expect(Retention.Configuration(k: .min, minimumRows: -1).minimumRows == 0)
        var rows = 500
        for _ in 0..<500 {
            let now = Retention.Circumstances(rows: rows, hasSucceeded: true, mayExpire: true)
            if retention.verdict(Self.dead, in: now) != .keep { rows -= 1 }
        }
        #expect(rows == 90)
    }

    @Test("A month switched off makes nobody older: ages are what the node ran")
    func switchedOff() {
        /// Naive: the overlap of each session with the time since `stamp`.
        func online(since stamp: Int64, _ sessions: [ClosedRange<Int64>]) -> Int64 {
            sessions.reduce(0) { $0 + max(0, $1.upperBound - max($1.lowerBound, stamp)) }
        }
        let month = 40 * Self.day
        let off = [0...Self.day, month...month + 3_600_000]
        let on = [0...month + 3_600_000]
        let aged = { (sessions: [ClosedRange<Int64>]) in
            Self.facts {
                $0.idleMilliseconds = month
                $0.onlineSinceSeen = online(since: 1000, sessions)
                $0.onlineSinceOK = online(since: 1000, sessions)
                $0.failuresInARow = 20
            }
        }
        #expect(retention.verdict(aged(off), in: running) == .keep)
        #expect(retention.verdict(aged(on), in: running) == .drop(.dead))
    }

    @Test("Over the cap names go before peers, failing ones before sound ones, and what is in use never")
    func rank() {
        func rank(_ change: (inout Retention.Facts) -> Void) -> UInt64 { retention.rank(Self.facts(change)) }
        let failingName = retention.rank(Self.unproven)
        let name = rank { $0.hasAnswered = false }
        let oldName = rank {
            $0.hasAnswered = false
            $0.onlineSinceSeen = .max
        }
        let deadPeer = retention.rank(Self.dead)
        let failing = rank { $0.failuresInARow = 1 }
        let sound = rank { _ in }
        let oldSound = retention.rank(Self.unseen)
        let inUse = retention.rank(
            Self.facts {
                $0.hasAnswered = false
                $0.failuresInARow = .max
                $0.isInUse = true
            })
        let order = [failingName, oldName, name, deadPeer, failing, oldSound, sound, inUse]
        #expect(order == order.sorted(by: >))
        #expect(Set(order).count == order.count)
        #expect(inUse == 0 && sound > 0)
    }

    @Test("Rank orders as a comparison of the facts would, on any values", arguments: Seeds.first(20))
    func rankModel(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let values: [Int64?] = [nil, .min, -1, 0, 1, 5000, 9_000_000, .max]
        let all = (0..<80).map { _ in
            Retention.Facts(
                idleMilliseconds: values.randomElement(using: &generator) ?? nil,
                onlineSinceSeen: values.randomElement(using: &generator) ?? nil,
                onlineSinceOK: values.randomElement(using: &generator) ?? nil,
                hasAnswered: .random(using: &generator),
                failuresInARow: [.min, -1, 0, 1, 3, 12, .max].randomElement(using: &generator) ?? 0)
        }
        /// Larger goes first.
        func claim(_ facts: Retention.Facts) -> (Int, Int, Int64) {
            let fails = facts.failuresInARow > 0
            let standing = facts.hasAnswered ? (fails ? 1 : 0) : (fails ? 3 : 2)
            return (
                standing, min(max(0, facts.failuresInARow), 262_143),
                min(max(0, facts.onlineSinceSeen ?? 0), 4_398_046_511_103)
            )
        }
        for left in all {
            _ = retention.verdict(left, in: running)
            for right in all {
                #expect((retention.rank(left) < retention.rank(right)) == (claim(left) < claim(right)))
            }
        }
    }

    @Test("The excess is what lies over the cap, and the floor goes before the cap")
    func excess() {
        #expect(retention.excess(rows: 70_000, cap: 65_536) == 4464)
        #expect(retention.excess(rows: 65_536, cap: 65_536) == 0)
        #expect(retention.excess(rows: 100, cap: 10) == 10)
        #expect(retention.excess(rows: .min, cap: .min) == 0)
        #expect(retention.excess(rows: .max, cap: .max) == 0)
    }

    @Test("Failures in a row are those since the last success, as far back as outcomes are kept")
    func failuresInARow() {
        func count(_ outcomes: UInt32, of known: Int) -> Int {
            BackoffState(
                streakMilli: 0, streakAt: .minutes(0), lastClass: .timeout, outcomes: outcomes, outcomeCount: known
            ).failuresInARow
        }
        #expect(count(0b0111, of: 4) == 3)
        #expect(count(0b0111, of: 3) == 3)
        #expect(count(0b1110, of: 4) == 0)
        #expect(count(.max, of: 32) == 32)
        #expect(count(.max, of: 5) == 5)
        #expect(count(.max, of: -7) == 0)
        #expect(count(0, of: 32) == 0)
    }
}
