extension Lookup {
    /// The constants of a lookup. Widths count queries, times are milliseconds.
    ///
    /// A lookup brings values out of range into it: counts to 1...1,024 (queries and skipped peers to 1,048,576, paths
    /// to 16), times to zero and more, the frontier to what it must hold.
    public struct Configuration: Hashable, Sendable {
        /// How many peers are wanted. 20 (Kademlia, section 2.2), the capacity of a bucket.
        public var k: Int

        /// Queries in flight at once. 10, as in go-libp2p-kad-dht; the paper's 3 is from a time of slow uplinks. A query
        /// past its slow mark does not count: see ``TimeoutPolicy``.
        public var alpha: Int

        /// The nearest live peers that must all have answered before the lookup is complete; nil means `k`. More finds
        /// peers that only those beyond the k-th know: with half of the peers dead, 1.5 k raises recall from 0.87 to 0.97
        /// for some 25 more queries.
        public var stop: Int?

        /// Ends the lookup when the `beta` nearest live peers have answered; nil waits for all of ``stop``. go-libp2p uses
        /// 3. Enough to find the target itself or a value, not for the k nearest to be exact.
        public var beta: Int?

        /// Disjoint paths: a peer is asked by one path only, so that an adversary on one cannot lead the others astray
        /// (S/Kademlia, Baumgart and Mies, 2007, section 4.4). The paths share `alpha` between them.
        public var paths: Int

        /// The queries after which no further one is sent. 500 is many times what a lookup needs in the largest networks.
        /// It bounds the memory of what was asked.
        public var maximumQueries: Int

        /// The peers that may be passed over (backing off, no address) before the lookup gives up. It bounds the memory
        /// of what was passed over.
        public var maximumSkipped: Int

        /// The time after which the lookup ends with what it has. A minute is the usual patience of a caller.
        public var maximumMilliseconds: Int64

        public var widening: Widening
        public var timeouts: TimeoutPolicy

        /// The queries awaited at once, slow ones included, whose slots are free already; nil means twice the largest
        /// width. It bounds the sockets that a run of silent peers holds.
        public var maximumAwaited: Int?

        /// The peers that a frontier may hold; nil means what `stop`, `maximumAwaited` and twice `k` waiting ones need.
        /// Never less than leaves one waiting peer a place.
        public var frontierCapacity: Int?

        /// The names that one answer may bring; the rest is ignored and counted. nil means 2 k: an honest answer holds
        /// at most k.
        public var maximumNamed: Int?

        public init(
            k: Int = 20, alpha: Int = 10, stop: Int? = nil, beta: Int? = nil, paths: Int = 1,
            maximumQueries: Int = 500, maximumSkipped: Int = 1_000, maximumMilliseconds: Int64 = 60_000,
            widening: Widening = Widening(), timeouts: TimeoutPolicy = TimeoutPolicy(), maximumAwaited: Int? = nil,
            frontierCapacity: Int? = nil, maximumNamed: Int? = nil
        ) {
            self.k = k
            self.alpha = alpha
            self.stop = stop
            self.beta = beta
            self.paths = paths
            self.maximumQueries = maximumQueries
            self.maximumSkipped = maximumSkipped
            self.maximumMilliseconds = maximumMilliseconds
            self.widening = widening
            self.timeouts = timeouts
            self.maximumAwaited = maximumAwaited
            self.frontierCapacity = frontierCapacity
            self.maximumNamed = maximumNamed
        }
    }

    /// How a lookup that makes no progress asks more peers at once.
    ///
    /// The paper sends to all of the k nearest when a round brings nothing nearer (section 2.3). Without rounds, as many
    /// answers in a row as there are slots stand for one. Only peers among the nearest are ever asked, so the larger width
    /// mostly asks sooner, not more.
    public struct Widening: Hashable, Sendable {
        /// The answers in a row without a nearer peer that widen a path once; nil means its width at the start.
        public var stall: Int?
        /// The queries that are added; nil means the width at the start: 10, then 20.
        public var step: Int?
        /// The largest width; nil means `k`. A width below `alpha` never widens.
        public var limit: Int?

        public init(stall: Int? = nil, step: Int? = nil, limit: Int? = nil) {
            self.stall = stall
            self.step = step
            self.limit = limit
        }

        /// Always `alpha`.
        public static let none = Widening(limit: 0)
    }

    /// The configuration with every default filled in and every value in range.
    struct Limits: Sendable {
        let k, stop, beta, paths, named: Int
        let queries, skipped: Int
        let milliseconds: Int64
        /// Of one path.
        let width, widest, stall, step, awaited, capacity: Int

        init(_ configuration: Configuration) {
            func count(_ value: Int, _ most: Int = 1_024) -> Int { min(max(1, value), most) }
            k = count(configuration.k)
            stop = count(configuration.stop ?? k)
            beta = count(configuration.beta ?? stop)
            paths = count(configuration.paths, 16)
            named = count(configuration.maximumNamed ?? 2 * k, 65_536)
            queries = count(configuration.maximumQueries, 1 << 20)
            skipped = count(configuration.maximumSkipped, 1 << 20)
            milliseconds = max(0, configuration.maximumMilliseconds)

            let alpha = count(configuration.alpha)
            let limit = max(alpha, min(configuration.widening.limit ?? k, 1_024))
            let allAwaited = count(configuration.maximumAwaited ?? 2 * limit, 2_048)
            width = max(1, alpha / paths)
            widest = max(width, limit / paths)
            stall = count(configuration.widening.stall ?? width)
            step = count(configuration.widening.step ?? width)
            awaited = max(1, allAwaited / paths)

            // A frontier holds peers that other paths ask, too. One place for a waiting peer is left in any case.
            let held = max(k, stop) + awaited * paths
            capacity = max(held + 1, min(configuration.frontierCapacity ?? held + 2 * k, 65_536))
        }
    }
}
