import Kademlia
import TestSupport
import Testing

@Suite("WarmStart")
struct WarmStartTests {
    typealias Candidate = WarmStart.Candidate

    @Test("An empty store asks for bootstrap peers at once, and has finished")
    func empty() {
        var generator = SeededGenerator(seed: 1)
        var warm = WarmStart(candidates: [], lastMark: nil, at: .seconds(0), using: &generator)
        #expect(warm.plan.isEmpty)
        #expect(warm.nextTick == .seconds(0))
        #expect(warm.poll(at: .seconds(0)) == [.bootstrap, .finished])
        #expect(warm.isFinished && warm.nextTick == nil)
        #expect(warm.poll(at: .seconds(1)) == [])
    }

    @Test("Every start ends, whatever becomes of its probes", arguments: Seeds.first(30))
    func ends(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let count = Int.random(in: 0...200, using: &generator)
        let candidates = WarmStore.random(count, using: &generator)
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(7), using: &generator)
        let run = WarmRun.drive(warm, at: .seconds(7)) { _ in
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: .fails(.random(in: 0...5000, using: &generator))
            case 1: .isSkipped
            case 2: .isLost
            default: .answers(.random(in: 0...2000, using: &generator))
            }
        }
        #expect(run.finishedAt != nil)
        #expect(run.bootstrapAt.count <= 1)
        let outcomes = run.statistics
        #expect(outcomes.answered + outcomes.failed + outcomes.skipped == outcomes.planned)
        #expect(outcomes.planned == warm.plan.count && outcomes.probed == run.sent.count)
        #expect(Set(run.sent.map(\.key)).count == run.sent.count)
    }

    /// Live members of the table, none of them an anchor, each in a network of its own.
    static func members(_ count: Int, groups: UInt32? = nil, using generator: inout SeededGenerator) -> [Candidate] {
        (0..<count).map { number in
            WarmStore.candidate(
                UInt64(number), group: .ipv4(UInt32(number) % (groups ?? .max)), bucket: number % 12, isMember: true,
                lastOK: 5 * WarmStore.hour, using: &generator)
        }
    }

    @Test(
        "No window has more probes than the token bucket allows, no group more than two under way",
        arguments: Seeds.first(20))
    func pacing(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let candidates = WarmStore.random(250, using: &generator)
        let lanes = Dictionary(
            uniqueKeysWithValues: candidates.map { ($0.key, ProbePacer.Lane($0.key, in: $0.group)) })
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(3), using: &generator)
        let run = WarmRun.drive(warm, at: .seconds(3)) { _ in
            Bool.random(using: &generator)
                ? .fails(.random(in: 100...5000, using: &generator))
                : .answers(.random(in: 10...900, using: &generator))
        }
        var worst: Int64 = .min
        for first in run.sent.indices {
            for last in first..<run.sent.count {
                let window = run.sent[last].at.millisecondsSince(run.sent[first].at)
                // Tokens gained in the window, the one that its first moment may complete included.
                worst = max(worst, Int64(last - first + 1) - 20 - window / 100 - 1)
            }
        }
        #expect(worst <= 0)
        for probe in run.sent {
            let beside = run.sent.filter { other in
                lanes[other.key] == lanes[probe.key] && other.at <= probe.at
                    && (run.ended[other.key].map { $0 > probe.at } ?? true)
            }
            #expect(beside.count <= 2)
        }
    }

    @Test("Dead peers hold up nobody: each other probe leaves when it would have left among the living")
    func deadPeers() {
        var generator = SeededGenerator(seed: 2)
        let candidates = Self.members(300, using: &generator)
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        let living = WarmRun.drive(warm, at: .seconds(0)) { _ in .answers(100) }
        let halfDead = WarmRun.drive(warm, at: .seconds(0)) { $0.word0 % 2 == 0 ? .isLost : .answers(100) }
        #expect(living.sent.map(\.key) == halfDead.sent.map(\.key))
        #expect(living.sent.map(\.at) == halfDead.sent.map(\.at))
        #expect(halfDead.statistics.answered == 150 && halfDead.statistics.failed == 150)
        #expect(living.bootstrapAt.isEmpty && halfDead.bootstrapAt.isEmpty)
    }

    @Test("A network that drops everything waits for its own places; the others do not")
    func deadNetwork() {
        var generator = SeededGenerator(seed: 2)
        let dead = Self.members(60, groups: 1, using: &generator)
        let living = Self.members(40, using: &generator).map { candidate in
            var other = candidate
            other.key.word1 = 1
            other.group = .ipv4(1000 + UInt32(candidate.key.word0))
            return other
        }
        let warm = WarmStart(candidates: dead + living, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        let run = WarmRun.drive(warm, at: .seconds(0)) { $0.word1 == 0 ? .fails(5000) : .answers(100) }
        #expect(run.statistics.answered == 40 && run.statistics.failed == 60)
        let lastLiving = run.sent.filter { $0.key.word1 == 1 }.map(\.at).max()
        #expect(lastLiving.map { $0 <= .seconds(11) } == true)
    }

    @Test("Fewer than four answers after ten seconds call for bootstrap peers, once; four do not")
    func bootstrap() {
        var generator = SeededGenerator(seed: 3)
        let candidates = Self.members(100, using: &generator)
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(5), using: &generator)
        for answers in 0...5 {
            var left = answers
            let run = WarmRun.drive(warm, at: .seconds(5)) { _ in
                left -= 1
                return left >= 0 ? .answers(50) : .fails(2000)
            }
            #expect(run.bootstrapAt == (answers < 4 ? [.seconds(15)] : []))
            #expect(run.finishedAt != nil)
        }
    }

    @Test("When all that is known has failed, bootstrap does not wait for ten seconds")
    func earlyBootstrap() {
        var generator = SeededGenerator(seed: 3)
        let candidates = (0..<6).map {
            WarmStore.candidate($0, group: .ipv4(UInt32($0)), bucket: Int($0), lastOK: 5, using: &generator)
        }
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        let run = WarmRun.drive(warm, at: .seconds(0)) { _ in .fails(700) }
        #expect(run.bootstrapAt == [Uptime(milliseconds: 700)])
        #expect(run.finishedAt == Uptime(milliseconds: 700))
    }

    @Test("A peer that answered somebody else's question is not asked; one not asked gives its token back")
    func resolvedElsewhere() {
        var generator = SeededGenerator(seed: 4)
        let candidates = (0..<40).map {
            WarmStore.candidate($0, group: .ipv4(UInt32($0)), bucket: Int($0), lastOK: 5, using: &generator)
        }
        var warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        #expect(warm.plan.count == 40)
        let last = warm.plan[39].key
        warm.answered(last, at: .seconds(0))
        warm.answered(last, at: .seconds(0))
        #expect(warm.statistics.answered == 1)
        let first = warm.poll(at: .seconds(0))
        #expect(first.count == 20)
        #expect(warm.poll(at: .seconds(0)) == [])
        #expect(warm.inFlight == 20)
        for case .probe(let key) in first.prefix(5) { warm.skipped(key, at: .seconds(0)) }
        #expect(warm.statistics.probed == 15 && warm.inFlight == 15)
        #expect(warm.nextTick.map { $0 <= .seconds(0) } == true)
        let replacements = warm.poll(at: .seconds(0))
        #expect(replacements.count == 5)
        #expect(warm.nextTick == Uptime(milliseconds: 100))
        let rest = WarmRun.drive(warm, at: .seconds(1)) { _ in .answers(10) }
        #expect(!rest.sent.map(\.key).contains(last))
        #expect(rest.finishedAt != nil)
    }
}

@Suite("ProbePacer")
struct ProbePacerTests {
    @Test("A full bucket gives its burst, then one token in a tenth of a second, and never saves up more")
    func tokens() {
        var pacer = ProbePacer(at: .seconds(0))
        func take(_ number: UInt64, at now: Uptime) -> Bool { pacer.take(.peer(Key(number, 0, 0, 0)), at: now) }
        for number: UInt64 in 0..<20 { #expect(take(number, at: .seconds(0))) }
        #expect(!take(20, at: .seconds(0)))
        #expect(pacer.nextToken == Uptime(milliseconds: 100))
        #expect(!take(20, at: Uptime(milliseconds: 99)))
        #expect(take(20, at: Uptime(milliseconds: 100)))
        #expect(!take(21, at: Uptime(milliseconds: 100)))
        for number: UInt64 in 100..<120 { #expect(take(number, at: Uptime(milliseconds: .max))) }
        #expect(!take(120, at: Uptime(milliseconds: .max)))
    }

    @Test("A lane has two places; a refund frees place and token, a release the place alone")
    func lanes() {
        var pacer = ProbePacer(configuration: .init(perSecond: 1, burst: 3), at: .seconds(0))
        let lane = ProbePacer.Lane(.zero, in: .test(1))
        func take(_ lane: ProbePacer.Lane, at now: Uptime) -> Bool { pacer.take(lane, at: now) }
        #expect(lane == ProbePacer.Lane(.max, in: .test(1)))
        #expect(ProbePacer.Lane(.zero, in: nil) != ProbePacer.Lane(.max, in: nil))
        for _ in 0..<2 { #expect(take(lane, at: .seconds(0))) }
        #expect(!pacer.hasRoom(in: lane))
        #expect(!take(lane, at: .seconds(0)))
        pacer.refund(lane)
        #expect(take(lane, at: .seconds(0)))
        pacer.release(lane)
        pacer.release(lane)
        pacer.release(lane)
        #expect(pacer.inFlight == 0)
        #expect(take(lane, at: .seconds(0)))
        pacer.release(lane)
        #expect(!take(lane, at: .seconds(0)))
        #expect(take(lane, at: .seconds(1)))
    }
}
