/// When each bucket's range is looked up next (Kademlia, section 2.3), and the own key beside them.
///
/// A lookup that somebody else began in a bucket's range counts as its refresh. Times are drawn, so that nodes that
/// started together do not search together; one refresh is under way at a time, and after a night switched off, when all
/// buckets are due, they follow one another at a distance.
public struct RefreshSchedule: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// The time in which each bucket is looked up, in milliseconds. One hour (Kademlia, section 2.3).
        public var intervalMilliseconds: Int64

        /// The part of the interval, in hundredths, by which a refresh may come sooner. Twenty: every bucket is looked up
        /// within the interval, and no two nodes stay in step.
        public var jitterPercent: Int

        /// The least time between two refreshes, in milliseconds. Ten seconds: 20 overdue buckets take some three
        /// minutes.
        public var spacingMilliseconds: Int64

        /// When a refresh that failed is tried again, in milliseconds. Five minutes.
        public var retryMilliseconds: Int64

        /// When a refresh whose end was never reported counts as failed, in milliseconds. Two minutes: twice the time
        /// limit of a lookup.
        public var lostMilliseconds: Int64

        /// Values are brought into their range: times of at least one millisecond, the jitter into 0...100.
        public init(
            intervalMilliseconds: Int64 = 60 * 60 * 1000, jitterPercent: Int = 20, spacingMilliseconds: Int64 = 10_000,
            retryMilliseconds: Int64 = 5 * 60 * 1000, lostMilliseconds: Int64 = 2 * 60 * 1000
        ) {
            self.intervalMilliseconds = max(1, intervalMilliseconds)
            self.jitterPercent = min(max(0, jitterPercent), 100)
            self.spacingMilliseconds = max(1, spacingMilliseconds)
            self.retryMilliseconds = max(1, retryMilliseconds)
            self.lostMilliseconds = max(1, lostMilliseconds)
        }
    }

    /// What is looked up.
    public enum Subject: Hashable, Sendable {
        /// The own key: the neighbourhood that a node must know best.
        case ownKey
        case bucket(Int)
    }

    public let configuration: Configuration

    /// When each is looked up next: the own key, then each bucket.
    private var due: [Uptime]
    private var current: Current?
    private var notBefore: Uptime

    private struct Current: Hashable {
        let slot: Int
        let deadline: Uptime
    }

    /// - Parameter ages: for each bucket the time since its range was last looked up, in milliseconds, as the file has it;
    ///   nil when it never was, negative when it is dated in the future: both are due. At most 256 count.
    public init(
        ages: [Int64?], configuration: Configuration = Configuration(), at now: Uptime,
        using generator: inout some RandomNumberGenerator
    ) {
        self.configuration = configuration
        notBefore = now
        due = [now]
        for age in ages.prefix(Key.bitWidth) {
            let period = period(using: &generator)
            guard let age, age >= 0, age < period else {
                due.append(now)
                continue
            }
            due.append(now.advanced(byMilliseconds: period - age))
        }
    }

    /// What is under way, if anything.
    public var refreshing: Subject? { current.map { Self.subject(of: $0.slot) } }

    /// When to call ``poll(bucketCount:at:using:)`` next.
    public var nextTick: Uptime {
        if let current { return current.deadline }
        return max(notBefore, due.min() ?? notBefore)
    }

    /// The refresh to begin now, if any: the one that is due for longest. Report its end with
    /// ``refreshed(_:at:using:)`` or ``failed(_:at:)``.
    ///
    /// - Parameter bucketCount: the table's buckets now. One that a split made is due at a drawn moment of the interval:
    ///   its parent's refresh found what it holds.
    /// - Complexity: O(buckets)
    public mutating func poll(
        bucketCount: Int, at now: Uptime, using generator: inout some RandomNumberGenerator
    ) -> Subject? {
        resize(to: 1 + min(max(0, bucketCount), Key.bitWidth), at: now, using: &generator)
        if let current {
            guard current.deadline <= now else { return nil }
            failed(Self.subject(of: current.slot), at: now)
        }
        guard now >= notBefore else { return nil }
        guard let slot = due.indices.min(by: { (due[$0], $0) < (due[$1], $1) }), due[slot] <= now else { return nil }
        current = Current(slot: slot, deadline: now.advanced(byMilliseconds: configuration.lostMilliseconds))
        notBefore = now.advanced(byMilliseconds: configuration.spacingMilliseconds)
        return Self.subject(of: slot)
    }

    /// A lookup of the own key or in the bucket's range ended, whoever began it.
    public mutating func refreshed(
        _ subject: Subject, at now: Uptime, using generator: inout some RandomNumberGenerator
    ) {
        guard let slot = slot(of: subject) else { return }
        due[slot] = now.advanced(byMilliseconds: period(using: &generator))
        if current?.slot == slot { current = nil }
    }

    /// The refresh could not be done: it is tried again soon. It does nothing for one that is not under way.
    public mutating func failed(_ subject: Subject, at now: Uptime) {
        guard let slot = slot(of: subject), current?.slot == slot else { return }
        due[slot] = now.advanced(byMilliseconds: configuration.retryMilliseconds)
        current = nil
    }

    private mutating func resize(to count: Int, at now: Uptime, using generator: inout some RandomNumberGenerator) {
        while due.count < count {
            let delay = Int64.random(in: 0...configuration.intervalMilliseconds, using: &generator)
            due.append(now.advanced(byMilliseconds: delay))
        }
        due.removeLast(due.count - count)
        if let current, current.slot >= count { self.current = nil }
    }

    private static func subject(of slot: Int) -> Subject { slot == 0 ? .ownKey : .bucket(slot - 1) }

    private func slot(of subject: Subject) -> Int? {
        let slot =
            switch subject {
            case .ownKey: 0
            case .bucket(let index): index < 0 || index >= Key.bitWidth ? -1 : index + 1
            }
        return due.indices.contains(slot) ? slot : nil
    }

    /// The time until the next refresh: the interval, shorter by a drawn part of the jitter.
    private func period(using generator: inout some RandomNumberGenerator) -> Int64 {
        let interval = configuration.intervalMilliseconds
        let jitter = interval / 100 * Int64(configuration.jitterPercent)
        return max(1, interval - Int64.random(in: 0...jitter, using: &generator))
    }
}
