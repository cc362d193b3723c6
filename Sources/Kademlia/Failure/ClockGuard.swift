/// Makes one time that can be relied on out of a wall clock that cannot: logical time.
///
/// It never goes back, except once by a correction: after ten minutes of uptime and successes in two network groups, a
/// wall clock that is behind is believed, since a machine that reaches the network has had the chance to set it. Until
/// then logical time goes on from the high-water mark at the pace of the uptime.
///
/// A wall clock that is ahead is believed at once, for machines without a battery start in the past and leap forward. But
/// a leap of more than 30 days deletes nothing until there is evidence that time is what it says.
public struct ClockGuard: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// How far the wall clock may be behind and still be believed: corrections by NTP, and rounding.
        public var toleranceMilliseconds: Int64 = 2_000
        /// How long a clock is watched before it is believed against the mark.
        public var probationMilliseconds: Int64 = 10 * FailurePolicy.minute
        /// In how many network groups somebody must have answered meanwhile.
        public var successGroups: Int = 2
        /// A longer leap than this defers deletes by age.
        public var leapMilliseconds: Int64 = 30 * FailurePolicy.day
        /// How far ahead a stamp may be and still count as now.
        public var leadMilliseconds: Int64 = SelectionWeight.tolerableLead

        public init() {}
    }

    public let configuration: Configuration
    private let mark: ClockMark?
    private let bootID: String?
    private let bootedAt: Instant?

    /// The last reading.
    private var now: Instant?
    private var uptime = Uptime(milliseconds: 0)
    /// The first reading.
    private var startedAt = Uptime(milliseconds: 0)
    /// How far the boot's stamp, by the wall clock at the start, is from logical time then.
    private var sinceBoot: Int64 = 0
    private var corrects = false
    /// Set while the wall clock is behind, or has leapt: since when, and who answered since.
    private var behind: Probation?
    private var leap: Probation?

    private struct Probation: Hashable, Sendable {
        let since: Uptime
        var groups: [NetworkGroup?] = []

        mutating func succeeded(in group: NetworkGroup?, atMost limit: Int) {
            // Groups that are not known may all be one: they count as one.
            if groups.count < limit, !groups.contains(group) { groups.append(group) }
        }

        func isOver(at now: Uptime, milliseconds: Int64, groups needed: Int) -> Bool {
            groups.count >= needed && now.millisecondsSince(since) >= milliseconds
        }
    }

    /// - Parameters:
    ///   - mark: the last one that was written; nil for a new file.
    ///   - boot: the operating system's id of this boot, and when it was by the wall clock of now. With the same id the
    ///     difference of the two stamps is how far the wall clock was set meanwhile, so the time the process was down is
    ///     known whatever the wall clock says.
    public init(
        mark: ClockMark?, boot: (id: String?, at: Instant?) = (nil, nil), configuration: Configuration = .init()
    ) {
        self.mark = mark
        bootID = boot.id
        bootedAt = boot.at
        self.configuration = configuration
    }

    /// Whether logical time is the wall clock's.
    public var isTrusted: Bool { behind == nil }

    /// Whether what is old may be deleted for its age now.
    public var mayExpire: Bool { now != nil && behind == nil && leap == nil }

    /// Takes a reading of both clocks, and tells the logical time.
    public mutating func read(wall: Instant, uptime reading: Uptime) -> Instant {
        guard let last = now else { return start(wall: wall, uptime: reading) }
        let elapsed = Swift.max(0, reading.millisecondsSince(uptime))
        return follow(wall: wall, expected: last.advanced(byMilliseconds: elapsed), floor: last, uptime: reading)
    }

    /// Somebody answered.
    public mutating func succeeded(in group: NetworkGroup?, at uptime: Uptime) {
        behind?.succeeded(in: group, atMost: configuration.successGroups)
        leap?.succeeded(in: group, atMost: 1)
        settleLeap(at: uptime)
    }

    /// The mark to write.
    public func mark(at reading: Uptime) -> ClockMark {
        let elapsed = Swift.max(0, reading.millisecondsSince(uptime))
        let time = now?.advanced(byMilliseconds: elapsed) ?? mark?.highWater ?? Instant(milliseconds: 0)
        let running = now == nil ? 0 : Swift.max(0, reading.millisecondsSince(startedAt))
        let online = Swift.max(0, mark?.onlineMilliseconds ?? 0).addingReportingOverflow(running)
        return ClockMark(
            highWater: time, onlineMilliseconds: online.overflow ? .max : online.partialValue, bootID: bootID,
            bootedAt: bootedAt == nil || now == nil
                ? nil : time.advanced(byMilliseconds: -running).advanced(byMilliseconds: -sinceBoot),
            isCorrection: corrects)
    }

    /// How old a stamp is, in milliseconds; nil when it is too far in the future to mean anything, so that a row of the
    /// year 2100 is of unknown age and never fresh.
    public func age(of stamp: Instant, at now: Instant) -> Int64? {
        let age = now.millisecondsSince(stamp)
        return age < -configuration.leadMilliseconds ? nil : Swift.max(0, age)
    }
}

extension ClockGuard {
    private mutating func start(wall: Instant, uptime reading: Uptime) -> Instant {
        startedAt = reading
        let time: Instant
        if let mark {
            time = follow(
                wall: wall, expected: timeByBoot(wall: wall, mark) ?? mark.highWater, floor: mark.highWater,
                uptime: reading)
        } else {
            now = wall
            uptime = reading
            time = wall
        }
        if let bootedAt { sinceBoot = Swift.max(0, wall.millisecondsSince(bootedAt)) }
        return time
    }

    /// The time by the clock of the mark, where this is still the boot that it was taken in; nil where it cannot be.
    private func timeByBoot(wall: Instant, _ mark: ClockMark) -> Instant? {
        guard let bootID, bootID == mark.bootID, let bootedAt, let marked = mark.bootedAt else { return nil }
        let time = marked.advanced(byMilliseconds: wall.millisecondsSince(bootedAt))
        return time.millisecondsSince(mark.highWater) < -configuration.toleranceMilliseconds ? nil : time
    }

    /// - Parameters:
    ///   - expected: what logical time must have reached.
    ///   - floor: what it was.
    private mutating func follow(
        wall: Instant, expected: Instant, floor: Instant, uptime reading: Uptime
    ) -> Instant {
        let lead = wall.millisecondsSince(expected)
        var time = Swift.max(floor, expected)
        if lead < -configuration.toleranceMilliseconds {
            if behind == nil { behind = Probation(since: reading) }
            if let probation = behind,
                probation.isOver(
                    at: reading, milliseconds: configuration.probationMilliseconds,
                    groups: configuration.successGroups)
            {
                behind = nil
                leap = nil
                corrects = true
                time = wall
            }
        } else {
            behind = nil
            time = Swift.max(floor, wall)
            if lead > configuration.leapMilliseconds { leap = Probation(since: reading) }
        }
        now = time
        uptime = reading
        settleLeap(at: reading)
        return time
    }

    private mutating func settleLeap(at reading: Uptime) {
        let time = configuration.probationMilliseconds
        if leap?.isOver(at: reading, milliseconds: time, groups: 1) == true { leap = nil }
    }
}
