import Kademlia

/// The rules of the routing table over one flat list: every question is a filter and a sort. Slow, and with no place to
/// keep anything twice.
struct NaiveTable {
    struct Entry {
        var key: Key
        /// The number of leading bits that the key shares with the local one.
        var prefixLength: Int
        var group: NetworkGroup?
        var firstSeen, lastSeen: Instant
        var lastOK: Instant?
        var isVerified = false
        var failures = 0
        var isLive = false
        /// When it was put where it is: decides between contacts last seen at one instant.
        var placement = 0

        var rank: Int { isVerified ? 2 : (lastOK == nil ? 0 : 1) }
    }

    let local: Key
    let configuration: RoutingTable.Configuration
    var bucketCount = 1
    var entries: [Key: Entry] = [:]
    var placements = 0
    var pings: [Key] = []
    var refusals: [Key] = []

    init(local: Key, configuration: RoutingTable.Configuration) {
        self.local = local
        self.configuration = configuration
    }

    func bucket(_ entry: Entry) -> Int { min(entry.prefixLength, bucketCount - 1) }

    /// The contacts of a bucket, the least recently seen first.
    func members(_ index: Int, live: Bool) -> [Entry] {
        entries.values.filter { $0.isLive == live && bucket($0) == index }.sorted {
            ($0.lastSeen, $0.placement) < ($1.lastSeen, $1.placement)
        }
    }

    func live(in group: NetworkGroup) -> [Entry] { entries.values.filter { $0.isLive && $0.group == group } }

    func isHopeless(_ entry: Entry) -> Bool { entry.failures >= configuration.maximumFailures }

    func yields(_ entry: Entry, to newcomer: Entry) -> Bool {
        isHopeless(entry)
            || (newcomer.rank == 2 && (entry.rank == 0 || (entry.rank == 1 && entry.failures > 0)))
    }

    func isOverBucketLimit(_ entry: Entry) -> Bool {
        guard let limits = configuration.limits, let group = entry.group else { return false }
        return live(in: group).count { bucket($0) == bucket(entry) } >= limits.perBucket
    }

    func isOverTableLimit(_ entry: Entry) -> Bool {
        guard let limits = configuration.limits, let group = entry.group else { return false }
        return live(in: group).count >= limits.perTable
    }

    mutating func put(_ entry: Entry, live: Bool) {
        placements += 1
        var placed = entry
        placed.isLive = live
        placed.placement = placements
        entries[entry.key] = placed
    }

    /// Promotes whoever may be, best first.
    mutating func fill(_ index: Int) {
        while members(index, live: true).count < configuration.k {
            let candidates = members(index, live: false).filter {
                !isHopeless($0) && !isOverBucketLimit($0) && !isOverTableLimit($0)
            }
            guard let bestRank = candidates.map(\.rank).max() else { return }
            guard let best = candidates.last(where: { $0.rank == bestRank }) else { return }
            put(best, live: true)
        }
    }

    /// A contact that is in no list now finds its place.
    mutating func place(_ entry: Entry, wasWaiting: Bool, at now: Instant) {
        while bucket(entry) == bucketCount - 1, bucketCount < configuration.keyBits,
            members(bucketCount - 1, live: true).count >= configuration.k
        {
            bucketCount += 1
            fill(bucketCount - 2)
            fill(bucketCount - 1)
        }
        let index = bucket(entry)
        var leaving: [Entry] = []
        let overBucket = isOverBucketLimit(entry)
        if overBucket || isOverTableLimit(entry), let group = entry.group {
            let here = members(index, live: true).filter { $0.group == group && yields($0, to: entry) }
            let anywhere = live(in: group).filter { yields($0, to: entry) }.sorted { $0.key < $1.key }
            guard let victim = here.first ?? (overBucket ? nil : anywhere.first) else {
                if wasWaiting { put(entry, live: false) } else { refusals.append(entry.key) }
                return
            }
            leaving.append(victim)
        }
        let live = members(index, live: true)
        if live.count >= configuration.k, !leaving.contains(where: { bucket($0) == index }) {
            guard let victim = live.first(where: { yields($0, to: entry) }) else {
                wait(entry, wasWaiting: wasWaiting, at: now)
                return
            }
            leaving.append(victim)
        }
        for victim in leaving { entries[victim.key] = nil }
        put(entry, live: true)
        for victim in leaving { fill(bucket(victim)) }
    }

    mutating func wait(_ entry: Entry, wasWaiting: Bool, at now: Instant) {
        let index = bucket(entry)
        let waiting = members(index, live: false)
        let weakest = waiting.filter { $0.rank == waiting.map(\.rank).min() }.first
        if waiting.count < configuration.replacementCacheSize {
            put(entry, live: false)
        } else if let weakest, weakest.rank <= entry.rank {
            entries[weakest.key] = nil
            put(entry, live: false)
        } else if !wasWaiting {
            refusals.append(entry.key)
        }
        let doubtful = members(index, live: true).first {
            let silence = now.milliseconds - $0.lastSeen.milliseconds
            return !$0.isVerified || $0.failures > 0 || silence < 0 || silence >= configuration.stalenessMilliseconds
        }
        if let doubtful { pings.append(doubtful.key) }
    }

    mutating func hear(_ key: Key, _ group: NetworkGroup?, at now: Instant, _ update: (inout Entry) -> Void) {
        guard key != local else {
            refusals.append(key)
            return
        }
        let known = entries[key]
        var entry =
            known
            ?? Entry(
                key: key, prefixLength: Oracle.commonPrefixLength(local, key), group: group, firstSeen: now,
                lastSeen: now)
        update(&entry)
        guard let known else { return place(entry, wasWaiting: false, at: now) }
        if known.isLive, known.group == entry.group {
            // What changes nothing does not move.
            let isSame =
                known.lastSeen == entry.lastSeen && known.lastOK == entry.lastOK
                && known.isVerified == entry.isVerified && known.failures == entry.failures
            if !isSame { put(entry, live: true) }
            return
        }
        entries[key] = nil
        place(entry, wasWaiting: !known.isLive, at: now)
        if known.isLive, entries[key]?.isLive != true { fill(bucket(known)) }
    }

    mutating func fail(_ key: Key) {
        guard var entry = entries[key] else { return }
        entry.failures += 1
        entries[key] = entry
        let index = bucket(entry)
        if entry.isLive {
            // Try the bucket without it, and see who comes.
            let before = self
            entries[key] = nil
            let stayed = Set(members(index, live: true).map(\.key))
            fill(index)
            let newcomers = members(index, live: true).filter { !stayed.contains($0.key) }
            let goesAnyway = isHopeless(entry) && entry.rank == 0
            if !goesAnyway, !newcomers.contains(where: { yields(entry, to: $0) }) { self = before }
        } else if isHopeless(entry) {
            entries[key] = nil
        }
    }

    mutating func remove(_ key: Key) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        if entry.isLive { fill(bucket(entry)) }
    }
}
