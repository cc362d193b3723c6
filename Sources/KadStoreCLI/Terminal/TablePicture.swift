import KadStore
import Kademlia

/// A routing table as a picture: the contacts of each bucket by their health.
struct TablePicture {
    /// How a contact is doing, the best first.
    enum Health: Int, CaseIterable {
        /// Answered within ``TablePicture/freshMilliseconds``, and has not failed since.
        case fresh
        /// Answered before that, and has not failed since.
        case answered
        /// Neither answered nor failed.
        case unverified
        case failing
    }

    struct Bucket {
        /// The common prefix length; the last bucket holds everything deeper too.
        var index: Int
        var isLast = false
        /// Contacts by health, at most k in all.
        var counts = Counts()
        /// Peers of the store in this range; nil for a bucket that a node kept.
        var known: Int?
        var replacements: Int?
        var refreshedAt: Instant?
        var newest: Instant?
    }

    /// Contacts by health.
    struct Counts: Equatable {
        private var values = [Int](repeating: 0, count: Health.allCases.count)

        subscript(health: Health) -> Int {
            get { values[health.rawValue] }
            set { values[health.rawValue] = newValue }
        }

        var total: Int { values.reduce(0, +) }

        mutating func add(_ other: Counts) { for index in values.indices { values[index] += other.values[index] } }

        /// The best `count` of them.
        func best(_ count: Int) -> Counts {
            var best = Counts()
            var left = count
            for health in Health.allCases {
                best[health] = min(left, self[health])
                left -= best[health]
            }
            return best
        }
    }

    static let freshMilliseconds: Int64 = 24 * 3_600 * 1_000

    let network: Network
    let identity: Identity?
    let key: Key
    let k: Int
    private(set) var buckets: [Bucket]

    /// The k-buckets that a node kept.
    init(of store: Store, identity: Identity, now: Instant) throws {
        network = store.network
        self.identity = identity
        key = identity.peer.key
        k = store.tableConfiguration.k
        buckets = try store.buckets(of: identity).map { snapshot in
            var bucket = Bucket(index: snapshot.index)
            for contact in snapshot.live { bucket.counts[Self.health(contact, now)] += 1 }
            bucket.replacements = snapshot.replacements.count
            bucket.refreshedAt = snapshot.refreshedAt
            bucket.newest = snapshot.live.map(\.lastSeen).max()
            return bucket
        }
        if !buckets.isEmpty { buckets[buckets.count - 1].isLast = true }
    }

    /// All peers, as a table around `key` would hold them.
    ///
    /// - Complexity: O(n): reads every peer, in short pages.
    init(of store: Store, around key: Key, now: Instant) throws {
        network = store.network
        identity = nil
        self.key = key
        k = store.tableConfiguration.k
        var ranges = (0...network.keyBits).map { Bucket(index: $0, known: 0) }
        let progress = Progress("Reading", unit: "peers")
        var done = 0
        var next: Key?
        repeat {
            let page = try store.peers(after: next, limit: Store.maximumPageCount)
            for record in page.peers {
                let index = min(network.keyBits, record.key.commonPrefixLength(with: key))
                ranges[index].known = (ranges[index].known ?? 0) + 1
                ranges[index].counts[Self.health(record, now)] += 1
                ranges[index].newest = max(ranges[index].newest ?? record.lastSeen, record.lastSeen)
            }
            done += page.peers.count
            progress.update(done)
            next = page.next
        } while next != nil
        progress.finish()
        buckets = Self.folded(ranges, k: k)
    }

    /// A table splits its last bucket only when that is full: the ranges from the first one that, with all deeper ones,
    /// has room for its peers make up the last bucket.
    static func folded(_ ranges: [Bucket], k: Int) -> [Bucket] {
        var deeper = Bucket(index: 0, isLast: true, known: 0)
        var first = ranges.count
        while first > 0, (deeper.known ?? 0) + (ranges[first - 1].known ?? 0) <= k {
            first -= 1
            deeper.known = (deeper.known ?? 0) + (ranges[first].known ?? 0)
            deeper.counts.add(ranges[first].counts)
            if let newest = ranges[first].newest { deeper.newest = max(deeper.newest ?? newest, newest) }
        }
        deeper.index = first
        var buckets = ranges[..<first].map { range in
            var bucket = range
            bucket.counts = range.counts.best(k)
            return bucket
        }
        if first < ranges.count { buckets.append(deeper) }
        return buckets
    }

    private static func health(_ contact: Contact, _ now: Instant) -> Health {
        if contact.consecutiveFailures > 0 { return .failing }
        return health(lastOK: contact.lastOK, now)
    }

    private static func health(_ record: PeerRecord, _ now: Instant) -> Health {
        record.standing == .failing ? .failing : health(lastOK: record.lastOK, now)
    }

    private static func health(lastOK: Instant?, _ now: Instant) -> Health {
        guard let lastOK else { return .unverified }
        return now.millisecondsSince(lastOK) <= freshMilliseconds ? .fresh : .answered
    }
}
