import KadStore
import Kademlia
import Multiformats

/// Why a peer is dialled now, or is not: the decision, the facts that it rests on, and when it changes by itself.
public struct Explanation: Hashable, Sendable {
    public enum Verdict: Hashable, Sendable {
        /// It may be dialled.
        case dialled
        /// Its breaker is open, and the time for one trial has come.
        case onTrial
        /// Not before then.
        case waits(until: Instant)
        /// No address is known, or somebody else answers at each of them: only news change that.
        case unreachable
    }

    /// In the order in which they matter.
    public enum Fact: Hashable, Sendable {
        case neverDialled
        case answered(last: Instant, times: Int)
        case noAddress
        /// Addresses that are left out for now, of so many.
        case addressesWaiting(Int, of: Int)
        /// The last failures, by class, the latest first.
        case failed(FailureClass, times: Int, last: Instant)
        /// Failures in a row, in thousandths: when they were last counted, and as they count now.
        case streak(atLastFailure: Int64, now: Int64)
        /// How long the wait is meant to be, in milliseconds, of the class that set it.
        case backoff(milliseconds: Int64, FailureClass)
        case breakerOpen(openings: Int, since: Instant?)
        /// One trial was granted and is not over.
        case trialUnderWay
        /// The last outcomes: failures of so many.
        case outcomes(failures: Int, of: Int)
        /// A failure that does not count yet: it may have been our own outage.
        case held(FailureClass, at: Instant, isWitnessed: Bool)
        /// Its place in the routing table of an identity.
        case contact(identity: String, bucket: Int, isLive: Bool)
    }

    public let verdict: Verdict
    public let facts: [Fact]

    /// Explains a peer of a store by what is written and queued there.
    ///
    /// - Complexity: O(1) rows of the peer and O(contacts) of the identities.
    public init(
        _ record: PeerRecord, in store: Store, policy: FailurePolicy = FailurePolicy(), at now: Instant
    ) throws(StoreError) {
        let held = try store.heldFailures().first { $0.key == record.key }
        var places: [Fact] = []
        for identity in try store.identities() {
            for bucket in try store.buckets(of: identity) {
                let label = identity.label.isEmpty ? store.network.idEncoding.encode(identity.peer.id) : identity.label
                if bucket.live.contains(where: { $0.key == record.key }) {
                    places.append(.contact(identity: label, bucket: bucket.index, isLive: true))
                } else if bucket.replacements.contains(where: { $0.key == record.key }) {
                    places.append(.contact(identity: label, bucket: bucket.index, isLive: false))
                }
            }
        }
        self.init(record, held: held, places: places, policy: policy, at: now)
    }

    init(
        _ record: PeerRecord, held: OutageGuard.Held?, places: [Fact] = [], policy: FailurePolicy, at now: Instant
    ) {
        let dialable = record.dialableAddresses(at: now, policy: policy)
        let backoff = record.backoff?.anchored(at: now).loaded()
        var facts: [Fact] = []

        switch (dialable.isEmpty, backoff?.dialVerdict(at: now, policy: policy) ?? .allowed) {
        case (true, _): verdict = .unreachable
        case (_, .allowed): verdict = .dialled
        case (_, .trial): verdict = .onTrial
        case (_, .waiting(let milliseconds)), (_, .breakerOpen(let milliseconds)),
            (_, .trialUnderWay(let milliseconds)):
            verdict = .waits(until: now.advanced(byMilliseconds: milliseconds))
        }

        if record.addresses.isEmpty { facts.append(.noAddress) }
        if dialable.count < record.addresses.count {
            facts.append(.addressesWaiting(record.addresses.count - dialable.count, of: record.addresses.count))
        }
        if let backoff {
            if backoff.breaker != .closed {
                facts.append(.breakerOpen(openings: backoff.openings, since: backoff.openedAt))
            }
            if record.backoff?.breaker == .halfOpen { facts.append(.trialUnderWay) }
            if backoff.remaining(at: now) > 0 {
                facts.append(.backoff(milliseconds: backoff.waitMilliseconds, backoff.lastClass))
            }
            if backoff.streakMilli > 0 {
                facts.append(
                    .streak(
                        atLastFailure: backoff.streakMilli,
                        now: backoff.effectiveStreakMilli(at: now, policy: policy)))
            }
        }
        if let held { facts.append(.held(held.failureClass, at: held.at, isWitnessed: held.isWitnessed)) }
        facts += Self.failures(record)
        if let backoff, backoff.outcomeCount > 0 {
            let count = min(32, max(0, backoff.outcomeCount))
            let mask: UInt32 = count == 32 ? .max : (1 << UInt32(count)) - 1
            facts.append(.outcomes(failures: (backoff.outcomes & mask).nonzeroBitCount, of: count))
        }
        if let lastOK = record.lastOK {
            facts.append(.answered(last: lastOK, times: record.successes))
        } else if record.failures.isEmpty {
            facts.append(.neverDialled)
        }
        self.facts = facts + places
    }

    /// Failures summed over addresses, the latest class first.
    private static func failures(_ record: PeerRecord) -> [Fact] {
        var byClass: [(failureClass: FailureClass, count: Int, last: Instant)] = []
        for failure in record.failures {
            if let index = byClass.firstIndex(where: { $0.failureClass == failure.failureClass }) {
                let sum = byClass[index].count.addingReportingOverflow(failure.count)
                byClass[index].count = sum.overflow ? .max : sum.partialValue
                byClass[index].last = max(byClass[index].last, failure.lastAt)
            } else {
                byClass.append((failure.failureClass, failure.count, failure.lastAt))
            }
        }
        return byClass.sorted { ($0.last, $0.failureClass.rawValue) > ($1.last, $1.failureClass.rawValue) }
            .map { .failed($0.failureClass, times: $0.count, last: $0.last) }
    }
}
