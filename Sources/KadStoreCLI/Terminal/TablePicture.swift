import KadStore
import Kademlia

/// A routing table as a picture: the contacts of each bucket by their health.
struct TablePicture {
    typealias Health = Survey.Health

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

    /// All peers, as a table around the key that they were surveyed around would hold them: the healthiest k of each
    /// bucket.
    init(of store: Store, around key: Key, _ survey: Survey) {
        network = store.network
        identity = nil
        self.key = key
        k = store.tableConfiguration.k
        buckets = survey.ranges.map { [k] range in
            var bucket = Bucket(index: range.index, isLast: range.isLast, known: range.count, newest: range.newest)
            for health in Health.allCases { bucket.counts[health] = range.health[health.rawValue] }
            bucket.counts = bucket.counts.best(k)
            return bucket
        }
    }

    private static func health(_ contact: Contact, _ now: Instant) -> Health {
        Survey.health(lastOK: contact.lastOK, isFailing: contact.consecutiveFailures > 0, at: now)
    }
}
