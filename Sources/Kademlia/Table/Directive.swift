extension RoutingTable {
    /// What a handler of the table decided. The shell carries it out: it sends, persists, counts.
    ///
    /// Each contact that enters the live table is announced by exactly one `inserted`, each that leaves it by exactly
    /// one `evicted`; each that enters the replacement cache by one `cached`, each that leaves it by one `dropped` or,
    /// when it is promoted, by its `inserted`. So a reader of the directives knows the table.
    public enum Directive: Hashable, Sendable {
        /// Ask this contact whether it lives, and report the outcome with ``RoutingTable/answered(_:from:at:)`` or
        /// ``RoutingTable/failed(_:)``. A newcomer waits for a place in its bucket. The same contact is named
        /// again for each further newcomer until the outcome is reported: one question in flight is enough.
        case ping(Key)

        /// The contact is live now, in the bucket that had this index at that moment.
        case inserted(Key, bucket: Int)

        /// The contact left the live table; `replacedBy` has its place, or its share of the network group's limit.
        case evicted(Key, replacedBy: Key?)

        /// The contact waits in the replacement cache of the bucket.
        case cached(Key, bucket: Int)

        /// The contact left the replacement cache without becoming live.
        case dropped(Key)

        /// The contact was not taken.
        case refused(Key, Refusal)

        /// The bucket's contents differ from before the call: persist it. Last in every answer, in ascending order, once
        /// for each bucket; a bucket that a split created is among them.
        case changed(bucket: Int)
    }

    /// Why a contact was not taken.
    public enum Refusal: Hashable, Sendable {
        /// It is the table's own key.
        case ownKey
        /// It has bits set beyond the width of this network's keys.
        case outsideKeySpace
        /// Its network group holds all it may of the bucket.
        case bucketLimit(NetworkGroup)
        /// Its network group holds all it may of the table.
        case tableLimit(NetworkGroup)
        /// The bucket is full, and its replacement cache is full of contacts of a higher standing.
        case cacheFull
    }
}

/// Collects the directives of one call; the buckets it touched come last, each once.
struct DirectiveLog {
    private var decided: [RoutingTable.Directive] = []
    private(set) var touchedBuckets: [Int] = []

    mutating func append(_ directive: RoutingTable.Directive) { decided.append(directive) }

    mutating func touch(_ bucket: Int) {
        if !touchedBuckets.contains(bucket) { touchedBuckets.append(bucket) }
    }

    var directives: [RoutingTable.Directive] {
        decided + touchedBuckets.sorted().map { .changed(bucket: $0) }
    }
}
