import KadStore
import Kademlia
import Multiformats

/// Gathers whom a warm start may ask: the restored table, and a bounded sample of everybody else.
public struct WarmPlanner {
    /// Rows that are sampled in the range of each bucket, and over the whole store. Reads stay bounded whatever the store
    /// holds: about a thousand rows.
    public static let rowsPerBucket = 32
    public static let draws = 64
    public static let rowsPerDraw = 4

    let store: Store
    let table: RoutingTable
    let policy: FailurePolicy
    let now: Instant

    public init(store: Store, table: RoutingTable, policy: FailurePolicy = FailurePolicy(), at now: Instant) {
        self.store = store
        self.table = table
        self.policy = policy
        self.now = now
    }

    /// The warm start of a node with this table. Where the table has no limits for network groups (a private network), the
    /// plan has none for members either.
    ///
    /// - Parameter lastMark: when the node last ran.
    /// - Complexity: O(live contacts + buckets) rows.
    public func warmStart(
        lastMark: Instant?, configuration: WarmStart.Configuration = WarmStart.Configuration(), at start: Uptime,
        using generator: inout some RandomNumberGenerator
    ) throws(StoreError) -> WarmStart {
        var configuration = configuration
        if table.configuration.limits == nil { configuration.limits = nil }
        return WarmStart(
            candidates: try candidates(using: &generator), lastMark: lastMark, configuration: configuration, at: start,
            using: &generator)
    }

    func candidates(
        using generator: inout some RandomNumberGenerator
    ) throws(StoreError) -> [WarmStart.Candidate] {
        var candidates: [WarmStart.Candidate] = []
        var taken: Set<Key> = [table.localKey]
        func take(_ record: PeerRecord, isMember: Bool) {
            guard !record.addresses.isEmpty, taken.insert(record.key).inserted else { return }
            candidates.append(candidate(record, isMember: isMember))
        }
        for bucket in table.buckets {
            for contact in bucket.live {
                if let record = try store.readableRecord(of: contact.key) { take(record, isMember: true) }
            }
        }
        for bucket in table.buckets {
            for contact in bucket.replacements {
                if let record = try store.readableRecord(of: contact.key) { take(record, isMember: false) }
            }
        }
        for index in table.buckets.indices {
            let isLast = index == table.buckets.count - 1
            let branch = isLast ? table.localKey : table.localKey.flippingBit(index)
            let start = branch.prefix(isLast ? index : index + 1, followedBy: .random(using: &generator))
                .prefix(table.configuration.keyBits, followedBy: .zero)
            for record in try store.sample(at: start, count: Self.rowsPerBucket)
            where table.bucketIndex(of: record.key) == index {
                take(record, isMember: false)
            }
        }
        for _ in 0..<Self.draws {
            let start = Key.random(using: &generator).prefix(table.configuration.keyBits, followedBy: .zero)
            for record in try store.sample(at: start, count: Self.rowsPerDraw) { take(record, isMember: false) }
        }
        return candidates
    }

    private func candidate(_ record: PeerRecord, isMember: Bool) -> WarmStart.Candidate {
        let isPrivate = store.scope == .private
        let proven = record.addresses.first { $0.lastOK != nil } ?? record.addresses.first
        let backoff = record.backoff?.anchored(at: now).loaded()
        let wait = backoff?.dialVerdict(at: now, policy: policy).remainingMilliseconds ?? 0
        return WarmStart.Candidate(
            key: record.key, group: proven?.address.networkGroup(private: isPrivate),
            bucket: table.bucketIndex(of: record.key), source: record.source.map(Self.number), isMember: isMember,
            firstSeen: record.firstSeen, lastOK: record.lastOK, daysSeen: record.daysSeen,
            weight: SelectionWeight.weight(
                backoff: backoff, lastOK: record.lastOK, lastTried: record.lastTried, at: now, policy: policy),
            order: store.probeOrder(of: record.key), availableIn: wait, isFailing: record.standing == .failing)
    }

    /// A number for a source's name: FNV-1a.
    private static func number(_ name: String) -> UInt64 {
        name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension Store {
    /// What is known of a peer; nil as well when its rows are damaged: one of them must not keep a node from starting.
    func readableRecord(of key: Key) throws(StoreError) -> PeerRecord? {
        do {
            return try record(of: key)
        } catch .corrupt {
            return nil
        }
    }
}

extension PeerRecord {
    /// When it was last dialled, as far as its history says: its last answer or its last failure.
    public var lastTried: Instant? {
        let failed = failures.map(\.lastAt).max()
        guard let failed, let lastOK else { return failed ?? lastOK }
        return max(failed, lastOK)
    }
}
