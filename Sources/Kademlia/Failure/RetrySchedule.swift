/// Retries within one call. The call reports one outcome, whatever the number of its tries.
public enum RetrySchedule {
    /// How often a call tries again.
    public static let maximumRetries = 3

    /// How long to wait before retry `attempt` (0, 1, 2): `1 + U(0, min(99, 4 · 4^attempt))` milliseconds.
    ///
    /// Always 1 to 100 ms. All three take 45 ms on average and 87 ms at most: what a lost packet or a full accept queue
    /// needs, and nothing that anybody notices.
    public static func delayMilliseconds(
        attempt: Int, using generator: inout some RandomNumberGenerator
    ) -> Int64 {
        let doublings = 2 * Int64(Swift.min(Swift.max(0, attempt), 3))
        let spread = Swift.min(99, Int64(4) << doublings)
        return 1 + generator.draw(upTo: spread)
    }

    /// How long to wait before the next try of a call that failed `attempt + 1` times; nil when it gives up: the class
    /// does not pass so quickly, it has tried often enough, or its deadline comes first.
    public static func delayMilliseconds(
        attempt: Int, after failureClass: FailureClass, remaining: Int64, policy: FailurePolicy = .standard,
        using generator: inout some RandomNumberGenerator
    ) -> Int64? {
        guard policy[failureClass].isRetriedInCall, (0..<maximumRetries).contains(attempt) else { return nil }
        let delay = delayMilliseconds(attempt: attempt, using: &generator)
        return delay < remaining ? delay : nil
    }
}
