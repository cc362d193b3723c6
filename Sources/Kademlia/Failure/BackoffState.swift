/// What is remembered of a peer's failures beyond their count: when it may be dialled again, and its circuit breaker.
public struct BackoffState: Hashable, Sendable {
    /// The circuit breaker's states (Nygard, *Release It!*).
    public enum Breaker: UInt8, Hashable, Sendable, CaseIterable {
        case closed = 0
        case open = 1
        /// One trial is under way. Loads as open: the trial did not survive.
        case halfOpen = 2
    }

    /// The failure streak when it was last counted, in thousandths: what was left of it then, and that failure.
    public var streakMilli: Int64
    /// When that was.
    public var streakAt: Instant
    /// The class of the last counted failure; misbehaviour stays until its streak has decayed below one, whatever else
    /// fails meanwhile.
    public var lastClass: FailureClass
    /// No dial before this. Read it through ``remaining(at:)``.
    public var notBefore: Instant?
    /// How long the wait was meant to be, in milliseconds.
    public var waitMilliseconds: Int64
    /// The last 32 outcomes, the latest in bit 0; a set bit is a failure.
    public var outcomes: UInt32
    /// How many of those bits are outcomes (0...32).
    public var outcomeCount: Int
    public var breaker: Breaker
    /// How often the breaker has opened, less one for each healthy hour.
    public var openings: Int
    /// When the breaker last opened; once it is closed again, since when its next healthy hour runs.
    public var openedAt: Instant?
    /// Successful trials since it became half-open.
    public var trials: Int

    public init(
        streakMilli: Int64, streakAt: Instant, lastClass: FailureClass, notBefore: Instant? = nil,
        waitMilliseconds: Int64 = 0, outcomes: UInt32 = 0, outcomeCount: Int = 0, breaker: Breaker = .closed,
        openings: Int = 0, openedAt: Instant? = nil, trials: Int = 0
    ) {
        self.streakMilli = streakMilli
        self.streakAt = streakAt
        self.lastClass = lastClass
        self.notBefore = notBefore
        self.waitMilliseconds = waitMilliseconds
        self.outcomes = outcomes
        self.outcomeCount = outcomeCount
        self.breaker = breaker
        self.openings = openings
        self.openedAt = openedAt
        self.trials = trials
    }

    /// Milliseconds until the peer may be dialled: never more than the wait was meant to be, so that a clock that jumped
    /// in either direction neither frees a peer for good nor bans it.
    public func remaining(at now: Instant) -> Int64 {
        Self.remaining(notBefore: notBefore, wait: waitMilliseconds, at: now)
    }

    /// `clamp(notBefore - now, 0, wait)`.
    public static func remaining(notBefore: Instant?, wait: Int64, at now: Instant) -> Int64 {
        guard let notBefore else { return 0 }
        return Swift.min(Swift.max(0, notBefore.millisecondsSince(now)), Swift.max(0, wait))
    }
}
