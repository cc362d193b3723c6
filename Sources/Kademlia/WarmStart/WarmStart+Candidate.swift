extension WarmStart {
    /// What the plan needs to know of a peer: a row of the store in numbers. Any values are accepted: the file they come
    /// from is not trusted.
    public struct Candidate: Hashable, Sendable {
        public var key: Key

        /// The network group of the address that last answered, or that the peer was named with.
        public var group: NetworkGroup?

        /// The index of the bucket that the peer belongs to.
        public var bucket: Int

        /// A number for who first told of the peer; nil when nobody did: it came to us, or was imported.
        public var source: UInt64?

        /// Whether the peer is live in the table as it was restored.
        public var isMember: Bool

        public var firstSeen: Instant

        /// When it last answered us; nil when it never did.
        public var lastOK: Instant?

        /// Bit i: seen on the day i days before the day it was last seen.
        public var daysSeen: UInt32

        /// Its selection weight, Q32.
        public var weight: UInt64

        /// HMAC of the file's secret salt and the peer: uniform, and unknown to everybody else.
        public var order: UInt64

        /// What remains of its backoff, in milliseconds.
        public var availableIn: Int64

        /// Whether it failed since it last answered.
        public var isFailing: Bool

        public init(
            key: Key, group: NetworkGroup?, bucket: Int, source: UInt64? = nil, isMember: Bool = false,
            firstSeen: Instant, lastOK: Instant? = nil, daysSeen: UInt32 = 1, weight: UInt64, order: UInt64,
            availableIn: Int64 = 0, isFailing: Bool = false
        ) {
            self.key = key
            self.group = group
            self.bucket = bucket
            self.source = source
            self.isMember = isMember
            self.firstSeen = firstSeen
            self.lastOK = lastOK
            self.daysSeen = daysSeen
            self.weight = weight
            self.order = order
            self.availableIn = availableIn
            self.isFailing = isFailing
        }
    }
}

extension WarmStart.Candidate {
    /// What the peer has shown of itself, the best first. What never answered is only a name: anyone can make up any
    /// number of them, in any network group, so it stands behind even what fails.
    var standing: Int { (lastOK == nil ? 2 : 0) + (isFailing ? 1 : 0) }

    /// How long before `mark` it last answered; nil when it never did, or when its stamp is too far after the mark to be
    /// true.
    func answered(before mark: Instant, tolerance: Int64) -> Int64? {
        guard let lastOK else { return nil }
        let age = mark.millisecondsSince(lastOK)
        return age < -max(0, tolerance) ? nil : max(0, age)
    }

    /// Whether it answered, was seen on at least `days` days, and was known for `milliseconds` when the node last ran.
    ///
    /// The age counts up to the last mark of the clock, not to now: a month switched off must not turn the rows of the
    /// last hour into old acquaintances. Without a mark the peer's own last answer is the end.
    func hasLongHistory(until mark: Instant?, milliseconds: Int64, days: Int) -> Bool {
        guard let lastOK, daysSeen.nonzeroBitCount >= days else { return false }
        return (mark ?? lastOK).millisecondsSince(firstSeen) > milliseconds
    }
}
