import Kademlia
import TestSupport
import Testing

@Suite("Time that can be relied on")
struct ClockTests {
    static let start = Instant.after(0)

    static func uptime(_ milliseconds: Int64) -> Uptime { Uptime(milliseconds: 77_000 + milliseconds) }

    @Test("A new file believes the wall clock")
    func newFile() {
        var clock = ClockGuard(mark: nil)
        #expect(!clock.mayExpire)
        #expect(clock.read(wall: Self.start, uptime: Self.uptime(0)) == Self.start)
        #expect(clock.isTrusted && clock.mayExpire)
        #expect(clock.read(wall: Self.start + 5_000, uptime: Self.uptime(5_000)) == Self.start + 5_000)
        #expect(
            clock.mark(at: Self.uptime(6_000)) == ClockMark(highWater: Self.start + 6_000, onlineMilliseconds: 6_000))
    }

    @Test("Two seconds behind is nothing; time does not go back for it")
    func tolerance() {
        var clock = ClockGuard(mark: ClockMark(highWater: Self.start, onlineMilliseconds: 100))
        #expect(clock.read(wall: Self.start - 2_000, uptime: Self.uptime(0)) == Self.start)
        #expect(clock.isTrusted && clock.mayExpire)
        #expect(clock.read(wall: Self.start + 500, uptime: Self.uptime(2_500)) == Self.start + 500)
        #expect(clock.mark(at: Self.uptime(2_500)).onlineMilliseconds == 2_600)
    }

    @Test("A clock that is behind is not believed: time goes on from the mark, and nothing expires")
    func behind() {
        var clock = ClockGuard(mark: ClockMark(highWater: Self.start))
        let wall = Self.start - 400 * .day
        #expect(clock.read(wall: wall, uptime: Self.uptime(0)) == Self.start)
        #expect(!clock.isTrusted && !clock.mayExpire)
        #expect(clock.read(wall: wall + 60_000, uptime: Self.uptime(60_000)) == Self.start + 60_000)
        #expect(!clock.mark(at: Self.uptime(60_000)).isCorrection)
        // Set right again: believed at once.
        #expect(clock.read(wall: Self.start + 90_000, uptime: Self.uptime(70_000)) == Self.start + 90_000)
        #expect(clock.isTrusted && clock.mayExpire)
    }

    @Test("After ten minutes and answers from two groups the clock that is behind is believed, and the mark lowered")
    func correction() {
        let mark = ClockMark(highWater: Self.start + 3_650 * .day)
        var clock = ClockGuard(mark: mark)
        func read(_ at: Int64) -> Instant { clock.read(wall: Self.start + at, uptime: Self.uptime(at)) }
        #expect(read(0) == mark.highWater)
        clock.succeeded(in: .test(1), at: Self.uptime(1_000))
        #expect(read(11 * .minute) == mark.highWater + 11 * .minute)
        clock.succeeded(in: .test(1), at: Self.uptime(12 * .minute))
        #expect(read(12 * .minute) > mark.highWater)
        clock.succeeded(in: .test(2), at: Self.uptime(13 * .minute))
        #expect(read(13 * .minute) == Self.start + 13 * .minute)
        #expect(clock.isTrusted && clock.mayExpire)
        let corrected = clock.mark(at: Self.uptime(13 * .minute))
        #expect(corrected.isCorrection && corrected.highWater == Self.start + 13 * .minute)
        #expect(mark.followed(by: corrected).highWater == corrected.highWater)
        let ordinary = ClockMark(highWater: Self.start)
        #expect(mark.followed(by: ordinary).highWater == mark.highWater)
        #expect(mark.followed(by: corrected).followed(by: ordinary).isCorrection)
        // The next start begins from there.
        var next = ClockGuard(mark: corrected)
        #expect(next.read(wall: Self.start + .hour, uptime: Self.uptime(0)) == Self.start + .hour)
        #expect(next.mayExpire)
    }

    @Test("Two answers at once, before ten minutes, do not do")
    func probation() {
        var clock = ClockGuard(mark: ClockMark(highWater: Self.start))
        _ = clock.read(wall: Self.start - .day, uptime: Self.uptime(0))
        clock.succeeded(in: .test(1), at: Self.uptime(1))
        clock.succeeded(in: .test(2), at: Self.uptime(2))
        let early = clock.read(wall: Self.start - .day + 599_999, uptime: Self.uptime(599_999))
        #expect(early == Self.start + 599_999)
        #expect(
            clock.read(wall: Self.start - .day + 600_000, uptime: Self.uptime(600_000)) == Self.start - .day + 600_000)
        // Groups that are not known may be one.
        var unknown = ClockGuard(mark: ClockMark(highWater: Self.start))
        _ = unknown.read(wall: Self.start - .day, uptime: Self.uptime(0))
        for _ in 0..<5 { unknown.succeeded(in: nil, at: Self.uptime(1)) }
        #expect(unknown.read(wall: Self.start, uptime: Self.uptime(.hour)) == Self.start + .hour)
    }

    @Test("A leap of more than 30 days is believed, but nothing expires until it is confirmed")
    func leap() {
        for isAtStart in [true, false] {
            var clock = ClockGuard(mark: isAtStart ? ClockMark(highWater: Self.start - 31 * .day) : nil)
            if !isAtStart { _ = clock.read(wall: Self.start - 31 * .day, uptime: Self.uptime(-1)) }
            #expect(clock.read(wall: Self.start, uptime: Self.uptime(0)) == Self.start)
            #expect(clock.isTrusted && !clock.mayExpire)
            _ = clock.read(wall: Self.start + .hour, uptime: Self.uptime(.hour))
            #expect(!clock.mayExpire)
            clock.succeeded(in: nil, at: Self.uptime(.hour))
            #expect(clock.mayExpire)

            var month = ClockGuard(mark: ClockMark(highWater: Self.start - 30 * .day))
            _ = month.read(wall: Self.start, uptime: Self.uptime(0))
            #expect(month.mayExpire)
        }
        var early = ClockGuard(mark: ClockMark(highWater: Self.start - 31 * .day))
        _ = early.read(wall: Self.start, uptime: Self.uptime(0))
        early.succeeded(in: .test(1), at: Self.uptime(1))
        #expect(!early.mayExpire)
        _ = early.read(wall: Self.start + 10 * .minute, uptime: Self.uptime(10 * .minute))
        #expect(early.mayExpire)
    }

    @Test("Within one boot the time that passed is known, wherever the wall clock was set")
    func sameBoot() {
        // Booted two days ago, marked a day ago.
        let mark = ClockMark(
            highWater: Self.start - .day, onlineMilliseconds: 5, bootID: "b", bootedAt: Self.start - 2 * .day)
        for shift in [-400 * Int64.day, -.hour, -3_000] {
            var clock = ClockGuard(mark: mark, boot: ("b", Self.start - 2 * .day + shift))
            #expect(clock.read(wall: Self.start + shift, uptime: Self.uptime(0)) == Self.start)
            #expect(!clock.isTrusted)
            // The next mark is of the same clock.
            let next = clock.mark(at: Self.uptime(1_000))
            #expect(next.highWater == Self.start + 1_000 && next.bootedAt == mark.bootedAt && next.bootID == "b")
        }
        // Of another boot the wall clock is all there is.
        var other = ClockGuard(mark: mark, boot: ("c", Self.start - 2 * .day - .hour))
        #expect(other.read(wall: Self.start - .hour, uptime: Self.uptime(0)) == Self.start - .hour)
        #expect(other.isTrusted)
        // 40 days in one boot are no leap.
        let old = ClockMark(highWater: Self.start - 40 * .day, bootID: "b", bootedAt: Self.start - 41 * .day)
        var patient = ClockGuard(mark: old, boot: ("b", Self.start - 41 * .day))
        #expect(patient.read(wall: Self.start, uptime: Self.uptime(0)) == Self.start)
        #expect(patient.mayExpire)
        // Numbers that cannot be are not used.
        let broken = ClockMark(highWater: Self.start, bootID: "b", bootedAt: Instant(milliseconds: .min))
        var unused = ClockGuard(mark: broken, boot: ("b", Self.start - .day))
        #expect(unused.read(wall: Self.start + 5, uptime: Self.uptime(0)) == Self.start + 5)
    }

    @Test("A clock that jumps while the node runs: back is not believed, forward is")
    func jumpsWhileRunning() {
        var clock = ClockGuard(mark: nil)
        _ = clock.read(wall: Self.start, uptime: Self.uptime(0))
        #expect(clock.read(wall: Self.start - .day, uptime: Self.uptime(1_000)) == Self.start + 1_000)
        #expect(!clock.isTrusted)
        #expect(clock.read(wall: Self.start + .day, uptime: Self.uptime(2_000)) == Self.start + .day)
        #expect(clock.isTrusted && clock.mayExpire)
        #expect(clock.read(wall: Self.start + 3_000, uptime: Self.uptime(3_000)) == Self.start + .day + 1_000)
        #expect(!clock.isTrusted)
    }

    @Test("A stamp of the far future has no age")
    func ages() {
        let clock = ClockGuard(mark: nil)
        #expect(clock.age(of: Self.start, at: Self.start + 5) == 5)
        #expect(clock.age(of: Self.start + 10 * .minute, at: Self.start) == 0)
        #expect(clock.age(of: Self.start + 10 * .minute + 1, at: Self.start) == nil)
        #expect(clock.age(of: Instant(milliseconds: .min), at: Instant(milliseconds: .max)) == .max)
        #expect(clock.age(of: Instant(milliseconds: .max), at: Instant(milliseconds: .min)) == nil)
    }

    @Test("Time goes back by corrections alone, and damaged marks never trap", arguments: Seeds.first(50))
    func invariants(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func draw() -> Int64 { Damage.number(using: &generator) }
        func stamp() -> Instant { Instant(milliseconds: draw()) }
        let isDamaged = seed.isMultiple(of: 2)
        let mark =
            isDamaged
            ? ClockMark(highWater: stamp(), onlineMilliseconds: draw(), bootID: "b", bootedAt: stamp())
            : ClockMark(highWater: Self.start)
        var clock = ClockGuard(mark: mark, boot: ("b", isDamaged ? stamp() : nil))
        var last: Instant?
        var wall = isDamaged ? stamp() : Self.start
        var up: Int64 = isDamaged ? draw() : 0
        for step in 0..<300 {
            let elapsed = Int64.random(in: 0...(5 * .minute), using: &generator)
            up = up.addingReportingOverflow(elapsed).overflow ? .max : up + elapsed
            wall = wall + elapsed
            if Int.random(in: 0..<15, using: &generator) == 0 {
                wall = isDamaged ? stamp() : wall + .random(in: -50 * .day...50 * .day, using: &generator)
            }
            let uptime = Uptime(milliseconds: up)
            if Int.random(in: 0..<4, using: &generator) == 0 {
                clock.succeeded(in: .test(UInt32.random(in: 0..<3, using: &generator)), at: uptime)
            }
            let wasTrusted = clock.isTrusted
            let now = clock.read(wall: wall, uptime: uptime)
            if let last, now < last {
                #expect(!wasTrusted && clock.isTrusted && now == wall, "step \(step)")
                #expect(clock.mark(at: uptime).isCorrection)
            }
            if clock.isTrusted { #expect(now >= wall) } else { #expect(!clock.mayExpire && now > wall) }
            let next = clock.mark(at: uptime)
            #expect(next.highWater == now && next.onlineMilliseconds >= 0)
            last = now
        }
    }
}

@Suite("Time that nodes were running")
struct OnlineTimeTests {
    /// The running milliseconds of merged sessions, session by session.
    static func oracle(_ sessions: [OnlineTime.Session], from: Int64, to: Int64) -> Int64 {
        sessions.reduce(0) { sum, session in
            sum + max(0, min(to, session.end.milliseconds) - max(from, session.start.milliseconds))
        }
    }

    static func session(_ start: Int64, _ end: Int64) -> OnlineTime.Session {
        OnlineTime.Session(start: Instant(milliseconds: start), end: Instant(milliseconds: end))
    }

    @Test("A month switched off is no time; five minutes are a restart")
    func gaps() {
        var online = OnlineTime()
        #expect(online.milliseconds(since: .after(-5)) == 0)
        online.record(from: .after(0), to: .after(.hour))
        online.record(from: .after(0), to: .after(2 * .hour))
        online.record(from: .after(30 * .day), to: .after(30 * .day + .hour))
        #expect(online.sessions.count == 2)
        #expect(online.milliseconds(since: .after(0)) == 3 * .hour)
        #expect(online.milliseconds(since: .after(.hour)) == 2 * .hour)
        #expect(online.milliseconds(since: .after(10 * .day)) == .hour)
        #expect(online.milliseconds(since: .after(0), until: .after(10 * .day)) == 2 * .hour)
        #expect(online.milliseconds(since: .after(10 * .day), until: .after(0)) == 0)
        online.record(from: .after(30 * .day + .hour + 5 * .minute - 1), to: .after(30 * .day + 2 * .hour))
        #expect(online.sessions.count == 2)
        online.record(from: .after(30 * .day + 2 * .hour + 5 * .minute), to: .after(30 * .day + 3 * .hour))
        #expect(online.sessions.count == 3)
        online.clamp(to: .after(.hour))
        #expect(online.sessions == [OnlineTime.Session(start: .after(0), end: .after(.hour))])
    }

    @Test("Any order of telling gives the same sessions, and sums agree with a plain count", arguments: Seeds.first(40))
    func against(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var told: [OnlineTime.Session] = []
        var online = OnlineTime()
        for _ in 0..<50 {
            let start = Int64.random(in: 0...(4 * .day), using: &generator)
            let session = Self.session(start, start + .random(in: -.minute...(.hour), using: &generator))
            told.append(session)
            online.record(from: session.start, to: session.end)
            #expect(online == OnlineTime(told.shuffled(using: &generator)))
        }
        // No two touch, and all is in order.
        for (earlier, later) in zip(online.sessions, online.sessions.dropFirst()) {
            #expect(later.start.millisecondsSince(earlier.end) >= OnlineTime.mergedGap)
        }
        #expect(OnlineTime(online.sessions) == online)
        for _ in 0..<300 {
            let from = Int64.random(in: -.hour...(5 * .day), using: &generator)
            let to = Int64.random(in: -.hour...(5 * .day), using: &generator)
            let found = online.milliseconds(since: Instant(milliseconds: from), until: Instant(milliseconds: to))
            #expect(found == max(0, Self.oracle(online.sessions, from: from, to: to)), "\(from)...\(to)")
        }
    }

    @Test("The oldest of too many sessions go")
    func bounded() {
        var online = OnlineTime()
        for day in Int64(0)..<1_100 { online.record(from: .after(day * .day), to: .after(day * .day + .hour)) }
        #expect(online.sessions.count == OnlineTime.maximumCount)
        #expect(online.sessions.first?.start == .after(76 * .day))
        #expect(online.milliseconds(since: .after(0)) == 1_024 * .hour)
    }

    @Test("Sessions of damaged numbers never trap", arguments: Seeds.first(40))
    func damage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let sessions = (0..<20).map { _ in
            Self.session(Damage.number(using: &generator), Damage.number(using: &generator))
        }
        var online = OnlineTime(sessions)
        for number in Damage.numbers {
            for other in Damage.numbers {
                let time = online.milliseconds(
                    since: Instant(milliseconds: number), until: Instant(milliseconds: other))
                #expect(time >= 0)
            }
        }
        online.clamp(to: .after(0))
        #expect(online.sessions.allSatisfy { $0.end <= .after(0) })
    }
}
