/// When nodes were running: the time that ages for deletion are counted in. A month switched off ages nothing.
///
/// Sessions in order, none touching the next: less than five minutes between two is a restart, not an absence.
public struct OnlineTime: Hashable, Sendable {
    /// One stretch of running.
    public struct Session: Hashable, Sendable {
        public var start: Instant
        public var end: Instant

        public init(start: Instant, end: Instant) {
            self.start = start
            self.end = end
        }

        /// In milliseconds, saturating.
        public var duration: Int64 { Swift.max(0, end.millisecondsSince(start)) }
    }

    /// Gaps shorter than this are running time.
    public static let mergedGap: Int64 = 5 * FailurePolicy.minute
    /// The most sessions that are kept. The oldest go first: what they held counts as time switched off, which keeps rows
    /// rather than deletes them.
    public static let maximumCount = 1_024

    /// Oldest first.
    public private(set) var sessions: [Session] = []
    /// Running time before each session, in milliseconds.
    private var before: [Int64] = []

    public init() {}

    /// Sessions in any order; those that end before they start are left out.
    /// - Complexity: O(n log n)
    public init(_ sessions: some Sequence<Session>) {
        for session in sessions.sorted(by: { $0.start < $1.start }) where session.start <= session.end {
            append(session)
        }
        trim()
    }

    /// A node was running from `start` to `end`; told again with a later end, the session grows.
    /// - Complexity: O(1) for the latest session, O(n log n) for an earlier one
    public mutating func record(from start: Instant, to end: Instant) {
        let session = Session(start: start, end: end)
        guard start <= end else { return }
        if let last = sessions.last, start < last.start {
            self = OnlineTime(sessions + [session])
        } else {
            append(session)
            trim()
        }
    }

    /// How long nodes were running between `start` and `now`, in milliseconds: how old, for deletion, something of `start`
    /// is.
    /// - Complexity: O(log n)
    public func milliseconds(since start: Instant, until now: Instant = Instant(milliseconds: .max)) -> Int64 {
        guard start < now else { return 0 }
        return Swift.max(0, total(until: now) - total(until: start))
    }

    /// Forgets what is dated after `now`: the clock had been ahead.
    public mutating func clamp(to now: Instant) {
        let kept = sessions.filter { $0.start < now }
        self = OnlineTime(kept.map { Session(start: $0.start, end: Swift.min($0.end, now)) })
    }

    /// Running time up to `now`.
    private func total(until now: Instant) -> Int64 {
        var low = 0
        var high = sessions.count
        while low < high {
            let middle = (low + high) / 2
            if sessions[middle].start < now { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return 0 }
        let last = sessions[low - 1]
        return Self.sum(before[low - 1], Session(start: last.start, end: Swift.min(last.end, now)).duration)
    }

    /// Appends a session that starts no earlier than the last.
    private mutating func append(_ session: Session) {
        if let last = sessions.last, session.start.millisecondsSince(last.end) < Self.mergedGap {
            sessions[sessions.count - 1].end = Swift.max(last.end, session.end)
        } else {
            before.append(sessions.last.map { Self.sum(before[before.count - 1], $0.duration) } ?? 0)
            sessions.append(session)
        }
    }

    private mutating func trim() {
        guard sessions.count > Self.maximumCount else { return }
        self = OnlineTime(sessions.suffix(Self.maximumCount))
    }

    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
