import Kademlia

/// Peers by the prefix that they share with a key, each range with its network groups and sources.
struct RangeTally {
    private struct Part {
        var health = [Int](repeating: 0, count: Survey.Health.allCases.count)
        var newest: Instant?
        var groups = FrequentItems<NetworkGroup>(capacity: 1_024)
        var sources = FrequentItems<Int64>(capacity: 256)

        var count: Int { health.reduce(0, +) }

        mutating func add(_ other: Part) {
            for index in health.indices { health[index] += other.health[index] }
            if let seen = other.newest { newest = max(newest ?? seen, seen) }
            groups.add(other.groups)
            sources.add(other.sources)
        }
    }

    private let key: Key
    /// By common prefix length; the last one is the key itself.
    private var parts: [Part]

    init(around key: Key, keyBits: Int) {
        self.key = key
        parts = Array(repeating: Part(), count: keyBits + 1)
    }

    mutating func add(
        _ peer: Key, _ health: Survey.Health, lastSeen: Instant, _ group: NetworkGroup?, source: Int64?
    ) {
        let index = min(parts.count - 1, peer.commonPrefixLength(with: key))
        parts[index].health[health.rawValue] += 1
        parts[index].newest = max(parts[index].newest ?? lastSeen, lastSeen)
        if let group { parts[index].groups.add(group) }
        if let source { parts[index].sources.add(source) }
    }

    /// A table splits its last bucket only when that is full: the ranges from the first one that, with all deeper ones,
    /// has room for its peers make up the last bucket.
    func ranges(k: Int, sourceName: (Int64) throws -> String?) rethrows -> [Survey.Range] {
        var deeper = Part()
        var first = parts.count
        while first > 0, deeper.count + parts[first - 1].count <= k {
            first -= 1
            deeper.add(parts[first])
        }
        var ranges = try parts[..<first].enumerated().map { try range($0, $1, sourceName) }
        if first < parts.count {
            var last = try range(first, deeper, sourceName)
            last.isLast = true
            ranges.append(last)
        }
        return ranges
    }

    private func range(
        _ index: Int, _ part: Part, _ sourceName: (Int64) throws -> String?
    ) rethrows -> Survey.Range {
        let group = part.groups.top(1) { $0.bytes.lexicographicallyPrecedes($1.bytes) }.first
        let source = part.sources.top(1, by: <).first
        return Survey.Range(
            index: index, health: part.health, newest: part.newest, groups: part.groups.concentration,
            largestGroup: group.map { Survey.Share(group: $0.item, count: $0.count) },
            sources: part.sources.concentration,
            largestSource: try source.map { Survey.Share(group: try sourceName($0.item) ?? "", count: $0.count) })
    }
}
