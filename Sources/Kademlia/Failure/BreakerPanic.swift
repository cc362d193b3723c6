/// What happens when nearly all of a bucket's breakers are open: they are ignored there. A bucket that asks nobody can
/// never learn that its peers came back.
public enum BreakerPanic {
    /// One contact of a bucket; nil is a clean one.
    public typealias Contact = (key: Key, backoff: BackoffState?)

    /// The contacts that may be tried although their breakers are not closed, the one whose wait ends soonest first (equal
    /// ones by key); nil when the bucket is not in panic. Whoever tries them paces them as every other probe.
    /// - Complexity: O(n log n) in the contacts of the bucket
    public static func released(
        of bucket: some Sequence<Contact>, at now: Instant, policy: FailurePolicy = .standard
    ) -> [Key]? {
        var count = 0
        var barred: [(key: Key, remaining: Int64)] = []
        for contact in bucket {
            count += 1
            guard let backoff = contact.backoff, backoff.breaker != .closed else { continue }
            barred.append((contact.key, backoff.remaining(at: now)))
        }
        guard count >= policy.breaker.panicBucketSize, count - barred.count < policy.breaker.panicMinimumClosed else {
            return nil
        }
        barred.sort { $0.remaining == $1.remaining ? $0.key < $1.key : $0.remaining < $1.remaining }
        return barred.map(\.key)
    }
}
