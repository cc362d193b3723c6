extension RoutingTable {
    /// The constants of a table. All of a network's nodes should agree on ``k`` and ``keyBits``; the rest is one's own.
    public struct Configuration: Hashable, Sendable {
        /// The capacity of a bucket, in contacts. 20 (Kademlia, section 2.2): so many that they are very unlikely to all
        /// fail within an hour.
        public var k: Int

        /// The capacity of a bucket's replacement cache, in contacts. As many as live ones: a whole bucket can be
        /// replaced after an outage without a lookup, and memory stays at twice the live table.
        public var replacementCacheSize: Int

        /// The limits per network group; nil lifts them, for private networks and simulations.
        public var limits: DiversityLimits?

        /// The width of this network's keys, in bits: 256 (libp2p, Ethereum), 160 (mainline DHT, OpenDHT), 128 (Kad).
        /// It bounds the number of buckets.
        public var keyBits: Int

        /// The silence after which a live contact is in doubt, in milliseconds. 15 minutes (BEP 5): a peer that was up
        /// for that long is up a while later with high probability, and NAT bindings last about as long.
        public var stalenessMilliseconds: Int64

        /// How often each bucket's range is looked up, in milliseconds. One hour (Kademlia, section 2.3).
        public var refreshMilliseconds: Int64

        /// The requests that must fail in a row before a replacement may take a live contact's place. Two: a request
        /// is retried inside itself, so one failure is one restart or one lost path, two are a pattern. A contact that
        /// once answered stays while nobody waits (section 4.1); one that never did leaves.
        public var maximumFailures: Int

        /// Values out of range are brought into it: sizes and counts of at least one (the cache: zero), `keyBits` in
        /// 1...256, times not negative.
        ///
        /// - Parameter replacementCacheSize: `k` when it is nil.
        public init(
            k: Int = 20, replacementCacheSize: Int? = nil, limits: DiversityLimits? = DiversityLimits(),
            keyBits: Int = Key.bitWidth, stalenessMilliseconds: Int64 = 15 * 60 * 1000,
            refreshMilliseconds: Int64 = 60 * 60 * 1000, maximumFailures: Int = 2
        ) {
            self.k = max(1, k)
            self.replacementCacheSize = max(0, replacementCacheSize ?? self.k)
            self.limits = limits
            self.keyBits = min(max(1, keyBits), Key.bitWidth)
            self.stalenessMilliseconds = max(0, stalenessMilliseconds)
            self.refreshMilliseconds = max(0, refreshMilliseconds)
            self.maximumFailures = max(1, maximumFailures)
        }
    }
}
