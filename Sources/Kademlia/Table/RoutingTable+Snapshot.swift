/// What a file keeps of a bucket.
public struct BucketSnapshot: Hashable, Sendable {
    /// The bucket's place in the table: the common prefix length, or at least that in the last one.
    public var index: Int
    public var refreshedAt: Instant?
    /// The live contacts, the least recently seen first.
    public var live: [Contact]
    /// The waiting contacts, the least recently seen first.
    public var replacements: [Contact]

    public init(index: Int, refreshedAt: Instant?, live: [Contact], replacements: [Contact]) {
        self.index = index
        self.refreshedAt = refreshedAt
        self.live = live
        self.replacements = replacements
    }
}

extension RoutingTable {
    /// All buckets, in order.
    public func snapshot() -> [BucketSnapshot] { buckets.indices.compactMap(snapshot(ofBucket:)) }

    /// One bucket: what to persist after ``Directive/changed(bucket:)``. Nil when there is no bucket with this index.
    public func snapshot(ofBucket index: Int) -> BucketSnapshot? {
        guard buckets.indices.contains(index) else { return nil }
        let bucket = buckets[index]
        return BucketSnapshot(
            index: index, refreshedAt: bucket.refreshedAt, live: bucket.live, replacements: bucket.replacements)
    }

    /// Something in a snapshot that no table holds, and what was done about it. The file is not trusted.
    public enum RestoreFault: Hashable, Sendable {
        /// The index is negative, or not below the width of the keys: the bucket was dropped.
        case bucketOutOfRange(Int)
        /// The second bucket with this index was dropped.
        case duplicateBucket(Int)
        /// A bucket before the last was not there: it is empty.
        case missingBucket(Int)
        /// The contacts were not in the order they were last seen in: they were sorted.
        case reordered(bucket: Int)
        /// The contact was dropped.
        case dropped(Key, bucket: Int, DropReason)
    }

    public enum DropReason: Hashable, Sendable {
        /// The local key.
        case ownKey
        /// Wider than this network's keys.
        case outsideKeySpace
        /// The common prefix length leads to another bucket. All contacts are, when the local key changed.
        case wrongBucket
        /// A contact with this key is there already; a live one goes before a waiting one.
        case duplicate
        /// More than k, or than the replacement cache holds: the least recently seen are dropped.
        case tooMany
        /// More than its network group may hold of a bucket, or of the table.
        case limit
    }

    /// The table that a snapshot was taken of: equal to it, when local key and configuration are the same.
    ///
    /// Anything else that the snapshots hold is left out and reported; the result always keeps the table's invariants.
    /// Nothing is promoted and no bucket split: that is left to the first events. A caller that starts a new life goes
    /// on with ``markAllUnverified()``.
    ///
    /// - Complexity: O(contacts in the snapshots); O(n log n) in a bucket that must be sorted.
    public static func restored(
        from snapshots: [BucketSnapshot], localKey: Key, configuration: Configuration = Configuration()
    ) -> (table: RoutingTable, faults: [RestoreFault]) {
        var table = RoutingTable(localKey: localKey, configuration: configuration)
        var faults: [RestoreFault] = []

        var byIndex: [Int: BucketSnapshot] = [:]
        for snapshot in snapshots {
            if !(0..<configuration.keyBits).contains(snapshot.index) {
                faults.append(.bucketOutOfRange(snapshot.index))
            } else if byIndex[snapshot.index] != nil {
                faults.append(.duplicateBucket(snapshot.index))
            } else {
                byIndex[snapshot.index] = snapshot
            }
        }
        if let last = byIndex.keys.max() {
            table.buckets = Array(repeating: KBucket(), count: last + 1)
        }
        for index in table.buckets.indices where !snapshots.isEmpty {
            guard let snapshot = byIndex[index] else {
                faults.append(.missingBucket(index))
                continue
            }
            table.restore(snapshot, &faults)
        }
        table.checkInDebug(buckets: Array(table.buckets.indices))
        return (table, faults)
    }

    /// Fills one empty bucket. A key belongs to one bucket, so duplicates are looked for in this one alone.
    private mutating func restore(_ snapshot: BucketSnapshot, _ faults: inout [RestoreFault]) {
        let index = snapshot.index
        buckets[index].refreshedAt = snapshot.refreshedAt
        var keys: Set<Key> = []
        var isOrdered = true

        func sound(_ contacts: [Contact], capacity: Int) -> ArraySlice<Contact> {
            var kept: [Contact] = []
            for contact in contacts {
                if let reason = dropReason(contact.key, in: index) {
                    faults.append(.dropped(contact.key, bucket: index, reason))
                } else if !keys.insert(contact.key).inserted {
                    faults.append(.dropped(contact.key, bucket: index, .duplicate))
                } else {
                    if let previous = kept.last, contact.lastSeen < previous.lastSeen { isOrdered = false }
                    kept.append(contact)
                }
            }
            // The order of the file decides between equals: the standard sort is stable in practice, not by promise.
            if !isOrdered {
                let places = kept.indices.sorted { (kept[$0].lastSeen, $0) < (kept[$1].lastSeen, $1) }
                kept = places.map { kept[$0] }
            }
            for contact in kept.dropLast(capacity) {
                faults.append(.dropped(contact.key, bucket: index, .tooMany))
            }
            return kept.suffix(capacity)
        }

        for contact in sound(snapshot.live, capacity: configuration.k) {
            if diversity.refusal(of: contact.networkGroup, in: buckets[index]) == nil {
                insertLive(contact, in: index)
            } else {
                faults.append(.dropped(contact.key, bucket: index, .limit))
            }
        }
        let replacements = sound(snapshot.replacements, capacity: configuration.replacementCacheSize)
        buckets[index].replacements = Array(replacements)
        if !isOrdered { faults.append(.reordered(bucket: index)) }
    }

    private func dropReason(_ key: Key, in index: Int) -> DropReason? {
        if key == localKey { return .ownKey }
        if !isInKeySpace(key) { return .outsideKeySpace }
        return bucketIndex(of: key) == index ? nil : .wrongBucket
    }
}
