import Kademlia

/// The lookups that a store remembers: all of them in sums, the latest one by one. No targets.
public struct LookupHistory: Hashable, Sendable {
    /// By the reason that they ended for, in the order of `Lookup.FinishReason`.
    public internal(set) var totals: [LookupTotals]
    /// The latest, oldest first, at most ``LookupSummary/maximumCount``.
    public internal(set) var recent: [LookupSummary]

    init(totals: [LookupTotals] = [], recent: [LookupSummary] = []) {
        self.totals = totals
        self.recent = recent
    }

    /// How a cost is spread over the recent lookups: exact order statistics, the nearest rank below.
    public struct Spread: Hashable, Sendable {
        public let p50, p90, p99: Int64
    }

    /// All lookups there ever were.
    public var count: Int { totals.reduce(0) { $0.addingSaturated($1.lookups) } }

    /// A sum over all of them.
    public func total(_ cost: KeyPath<LookupTotals, Int>) -> Int {
        totals.reduce(0) { $0.addingSaturated($1[keyPath: cost]) }
    }

    /// The spread of a cost over the recent ones; nil when there are none.
    ///
    /// - Complexity: O(m log m) for m recent lookups.
    public func spread(_ cost: (LookupSummary) -> Int64) -> Spread? {
        guard !recent.isEmpty else { return nil }
        let values = recent.map(cost).sorted()
        func at(_ percent: Int) -> Int64 { values[(values.count - 1) * percent / 100] }
        return Spread(p50: at(50), p90: at(90), p99: at(99))
    }

    /// Takes in a lookup that has just finished.
    mutating func add(_ summary: LookupSummary) {
        recent.append(summary)
        if recent.count > LookupSummary.maximumCount {
            recent.removeFirst(recent.count - LookupSummary.maximumCount)
        }
        if !totals.contains(where: { $0.reason == summary.reason }) {
            totals.append(LookupTotals(reason: summary.reason))
            totals.sort { $0.reason.rawValue < $1.reason.rawValue }
        }
        for index in totals.indices where totals[index].reason == summary.reason { totals[index].add(summary) }
    }
}
