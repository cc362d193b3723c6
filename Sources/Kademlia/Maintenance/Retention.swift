/// Which stored peers may be forgotten. A store remembers to be of use after a restart, so little is: what never
/// answered and fails, what is dead beyond doubt, and what nobody saw for a month.
///
/// Ages are times that the node was running: a month switched off makes nobody older, and nothing is deleted for it.
public struct Retention: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// No row is dropped sooner after it was last touched, in milliseconds. A minute: whatever is under way with the
        /// peer is over by then.
        public var idleMilliseconds: Int64

        /// Failures after which a peer that never answered goes. Three, and each had retries of its own.
        public var unprovenFailures: Int

        /// How long a peer must have been without an answer to go for its failures, in milliseconds. Seven days.
        public var silenceMilliseconds: Int64

        /// The failures in a row that it takes besides. Ten.
        public var silenceFailures: Int

        /// How long nobody must have seen a peer for it to go without any failure, in milliseconds. Thirty days.
        public var unseenMilliseconds: Int64

        /// Rows that are kept in any case. At least max(90, 2k): enough to fill the nearest buckets after an outage.
        public var minimumRows: Int

        /// Negative values count as zero.
        ///
        /// - Parameter k: the capacity of a bucket.
        public init(
            k: Int = 20, idleMilliseconds: Int64 = 60_000, unprovenFailures: Int = 3,
            silenceMilliseconds: Int64 = 7 * 86_400_000, silenceFailures: Int = 10,
            unseenMilliseconds: Int64 = 30 * 86_400_000, minimumRows: Int = 90
        ) {
            self.idleMilliseconds = max(0, idleMilliseconds)
            self.unprovenFailures = max(0, unprovenFailures)
            self.silenceMilliseconds = max(0, silenceMilliseconds)
            self.silenceFailures = max(0, silenceFailures)
            self.unseenMilliseconds = max(0, unseenMilliseconds)
            let (double, overflow) = max(0, k).multipliedReportingOverflow(by: 2)
            self.minimumRows = max(max(0, minimumRows), overflow ? .max : double)
        }
    }

    /// What is known of a row. Any values are accepted.
    public struct Facts: Hashable, Sendable {
        /// Wall time since the row was last touched, in milliseconds; nil when its stamps are unknown.
        public var idleMilliseconds: Int64?
        /// Running time since the peer was last seen, in milliseconds; nil when unknown, and then it is young.
        public var onlineSinceSeen: Int64?
        /// Running time since it last answered; nil when unknown.
        public var onlineSinceOK: Int64?
        /// Whether it ever answered.
        public var hasAnswered: Bool
        /// Failures that were counted against it since it last answered, every one in full:
        /// ``BackoffState/failuresInARow``. Not the effective streak, which decays: a dead peer must not look better for
        /// being left alone.
        public var failuresInARow: Int
        /// Whether it is in the routing table, or has a call under way.
        public var isInUse: Bool

        public init(
            idleMilliseconds: Int64?, onlineSinceSeen: Int64?, onlineSinceOK: Int64?, hasAnswered: Bool,
            failuresInARow: Int, isInUse: Bool = false
        ) {
            self.idleMilliseconds = idleMilliseconds
            self.onlineSinceSeen = onlineSinceSeen
            self.onlineSinceOK = onlineSinceOK
            self.hasAnswered = hasAnswered
            self.failuresInARow = failuresInARow
            self.isInUse = isInUse
        }
    }

    /// What holds for the whole store at this moment.
    public struct Circumstances: Hashable, Sendable {
        /// Rows in the store now; count down as they are dropped.
        public var rows: Int
        /// Whether any peer answered since the start. Before that the silence may be our own.
        public var hasSucceeded: Bool
        /// Whether the clock is trusted with ages.
        public var mayExpire: Bool

        public init(rows: Int, hasSucceeded: Bool, mayExpire: Bool) {
            self.rows = rows
            self.hasSucceeded = hasSucceeded
            self.mayExpire = mayExpire
        }
    }

    public enum Verdict: Hashable, Sendable {
        case keep
        case drop(Reason)
    }

    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// It never answered and failed often enough.
        case neverAnswered
        /// It answered once, and fails for a long time.
        case dead
        /// Nobody saw it for a long time.
        case unseen
    }

    public let configuration: Configuration

    public init(configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// Whether the row goes for what is known of it, whatever room there is.
    public func verdict(_ facts: Facts, in circumstances: Circumstances) -> Verdict {
        guard circumstances.hasSucceeded, circumstances.mayExpire, circumstances.rows > configuration.minimumRows,
            !facts.isInUse, let idle = facts.idleMilliseconds, idle >= configuration.idleMilliseconds
        else { return .keep }

        if !facts.hasAnswered, facts.failuresInARow >= configuration.unprovenFailures { return .drop(.neverAnswered) }
        if facts.hasAnswered, let silence = facts.onlineSinceOK, silence >= configuration.silenceMilliseconds,
            facts.failuresInARow >= configuration.silenceFailures
        {
            return .drop(.dead)
        }
        if let unseen = facts.onlineSinceSeen, unseen >= configuration.unseenMilliseconds { return .drop(.unseen) }
        return .keep
    }
}

// MARK: The cap
extension Retention {
    /// How many rows are too many under this cap. The floor goes before the cap.
    public func excess(rows: Int, cap: Int) -> Int { max(0, max(0, rows) - max(cap, configuration.minimumRows)) }

    /// Who goes first when the store is over its cap: the highest rank. Zero never goes.
    ///
    /// By standing: names that fail, names, peers that once answered and fail, peers that answered. A flood of new names
    /// so pushes out names and nothing else. Then more failures, then who was not seen for longer.
    public func rank(_ facts: Facts) -> UInt64 {
        if facts.isInUse { return 0 }
        let failures = UInt64(min(max(0, facts.failuresInARow), Self.maximumFailures))
        let standing: UInt64 = (facts.hasAnswered ? 0 : 2) + (failures > 0 ? 1 : 0) + 1
        let unseen = UInt64(min(max(0, facts.onlineSinceSeen ?? 0), Self.maximumUnseen))
        return standing << 60 | failures << 42 | unseen
    }

    /// 18 bits.
    private static let maximumFailures = 1 << 18 - 1
    /// 42 bits: 139 years.
    private static let maximumUnseen: Int64 = 1 << 42 - 1
}

extension BackoffState {
    /// Counted failures since the last success, without decay: exact up to the 32 outcomes that are kept.
    public var failuresInARow: Int { min((~outcomes).trailingZeroBitCount, max(0, outcomeCount)) }
}
