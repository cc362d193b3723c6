import Kademlia

/// So many at once, and so many each second after those: a token bucket in whole numbers.
struct YamuxAllowance: Hashable, Sendable {
    struct Rate: Hashable, Sendable {
        var burst: Int64
        var perSecond: Int64
    }

    let rate: Rate
    /// In thousandths, so that a millisecond's refill is a whole number.
    private var milliTokens: Int64
    private var refilledAt: Uptime?

    init(_ rate: Rate) {
        self.rate = Rate(
            burst: max(0, min(rate.burst, 1_000_000_000)), perSecond: max(0, min(rate.perSecond, 1_000_000)))
        milliTokens = self.rate.burst * 1_000
    }

    /// Takes one; false when none is left.
    mutating func take(at now: Uptime) -> Bool {
        // Not more than it takes to fill the bucket anew: the product stays far from its bounds.
        let elapsed = max(0, min(refilledAt.map(now.millisecondsSince) ?? 0, 1_000_000_000_000))
        milliTokens = min(rate.burst * 1_000, milliTokens + elapsed * rate.perSecond)
        refilledAt = max(refilledAt ?? now, now)
        guard milliTokens >= 1_000 else { return false }
        milliTokens -= 1_000
        return true
    }
}
