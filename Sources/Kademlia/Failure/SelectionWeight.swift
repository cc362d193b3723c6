/// How much a peer is worth asking.
public enum SelectionWeight {
    /// The weight of a peer that answered just now and never failed: one, with 32 fractional bits.
    public static let one: UInt64 = 1 << 32

    /// A stamp this far ahead of the clock says nothing: the clock was wrong, then or now.
    public static let tolerableLead: Int64 = 10 * FailurePolicy.minute

    /// `0.66^min(streak, 8) · (0.01 if tried < 10 min ago) · max(0.05, 2^(-age(lastOK) / 48 h))`, with 32 fractional bits
    /// and never 0: nobody is given up for good. The factors are ``FailurePolicy/Selection``'s.
    ///
    /// Whether the peer may be dialled at all is ``BackoffState/dialVerdict(at:policy:)``'s to say.
    public static func weight(
        backoff: BackoffState?, lastOK: Instant?, lastTried: Instant?, at now: Instant,
        policy: FailurePolicy = .standard
    ) -> UInt64 {
        let rule = policy.selection
        var weight = Powers.one
        if let backoff {
            let most = Int64(Swift.min(Swift.max(0, rule.maximumFailures), 100)) * 1_000
            let streak = Swift.min(backoff.effectiveStreakMilli(at: now, policy: policy), most)
            weight = Powers.power(ofHalf: exponent(perCent: rule.failurePercent, timesMilli: UInt64(streak)))
        }
        if let age = age(lastTried, at: now), age < rule.recentMilliseconds {
            weight = perCent(rule.recentPercent, of: weight)
        }
        let freshness = age(lastOK, at: now).map { Powers.decay(age: $0, halfLife: rule.halfLifeMilliseconds) } ?? 0
        weight = Powers.scale(weight, by: Swift.max(freshness, perCent(rule.floorPercent, of: Powers.one)))
        return Swift.max(1, weight >> 31)
    }

    /// `-log2(percent / 100) · milli / 1000`, with 32 fractional bits.
    private static func exponent(perCent percent: Int, timesMilli milli: UInt64) -> UInt64 {
        let percent = UInt64(Swift.min(Swift.max(1, percent), 100))
        let logarithm = Powers.negativeLogarithm(percent) - Powers.negativeLogarithm(100)
        return (logarithm * milli / 1_000) >> (Powers.logarithmBits - 32)
    }

    private static func perCent(_ percent: Int, of value: UInt64) -> UInt64 {
        value / 100 * UInt64(Swift.min(Swift.max(0, percent), 100))
    }

    private static func age(_ stamp: Instant?, at now: Instant) -> Int64? {
        guard let stamp else { return nil }
        let age = now.millisecondsSince(stamp)
        return age < -tolerableLead ? nil : Swift.max(0, age)
    }
}
