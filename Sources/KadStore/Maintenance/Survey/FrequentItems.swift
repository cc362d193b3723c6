/// How often each of very many things was met, in bounded memory.
///
/// Exact up to ``capacity`` different things. Beyond it the median count is taken from all, and what has nothing left is
/// forgotten (Misra and Gries, 1982; by the median as in Apache DataSketches): counts are then too low, none by more
/// than ``shortfall``, which never exceeds twice the total over the capacity. What is frequent enough to matter is never
/// lost, whoever makes up the rest.
struct FrequentItems<Item: Hashable & Sendable>: Sendable {
    /// Things with what was counted of them.
    private(set) var counts: [Item: Int] = [:]
    /// All that was ever added.
    private(set) var total = 0
    /// The most by which a count may be too low; 0 while everything is exact.
    private(set) var shortfall = 0
    let capacity: Int

    init(capacity: Int) { self.capacity = max(2, capacity) }

    mutating func add(_ item: Item, count: Int = 1) {
        total += count
        counts[item, default: 0] += count
        if counts.count > capacity { trim() }
    }

    /// Takes in what another one has met. Shortfalls add up.
    mutating func add(_ other: Self) {
        for (item, count) in other.counts { counts[item, default: 0] += count }
        total += other.total
        shortfall += other.shortfall
        if counts.count > capacity { trim() }
    }

    /// - Complexity: O(capacity log capacity), once in at least half a capacity of additions.
    private mutating func trim() {
        let sorted = counts.values.sorted()
        let median = sorted[sorted.count / 2]
        shortfall += median
        counts = counts.compactMapValues { $0 > median ? $0 - median : nil }
    }

    /// The most frequent, at most `limit`; `isBefore` decides between equals.
    func top(_ limit: Int, by isBefore: (Item, Item) -> Bool) -> [(item: Item, count: Int)] {
        let most = counts.sorted { left, right in
            left.value != right.value ? left.value > right.value : isBefore(left.key, right.key)
        }
        return most.prefix(limit).map { ($0.key, $0.value) }
    }

    var concentration: Concentration {
        var covered = 0
        var holdingHalf = 0
        // With the shortfall a count is as high as it can have been: so many are needed at least.
        for count in counts.values.sorted(by: >) where covered < total - covered {
            covered += count + shortfall
            holdingHalf += 1
        }
        // Where even that does not reach, each of the forgotten holds a shortfall at most.
        if covered < total - covered, shortfall > 0 {
            holdingHalf += ((total + 1) / 2 - covered + shortfall - 1) / shortfall
        }
        return Concentration(
            total: total, distinct: counts.count, holdingHalf: holdingHalf, shortfall: shortfall)
    }
}

/// How evenly something is spread over groups: an eclipse shows as few groups that hold much.
public struct Concentration: Hashable, Sendable {
    /// What is spread.
    public let total: Int
    /// Over how many groups; at least so many where ``isExact`` is false.
    public let distinct: Int
    /// The smallest number of groups that together hold half of it; at least so many where ``isExact`` is false.
    public let holdingHalf: Int
    /// By how much the count of a group may be too low.
    public let shortfall: Int

    public var isExact: Bool { shortfall == 0 }
}
