/// The exact k nearest peers from a sorted index, reading about 1.6 k rows however many the index holds.
///
/// The peers that share exactly g prefix bits with a pivot (group g) are one contiguous run of keys, wholly on one side
/// of the pivot: above it where the pivot's bit g is 0, below it where the bit is 1. So the heads of an upward and a
/// downward cursor never share equally many bits with the pivot, and the deeper head belongs to the nearer group.
/// Groups are read whole, deepest first, until k peers are kept. To stop in the middle of a group would be wrong: inside
/// it the order of keys is not the order of distances.
///
/// On uniform keys that is 2 seeks and about 31 rows for k = 20. Where keys cluster, a group may be far larger than what
/// is needed; then its rows so far are dropped, its other end is sought, and a walk of its own is pushed for it, with the
/// group's common prefix followed by the rest of the target as the new pivot. Every such step fixes at least two more bits
/// of prefix, because both ends of the run are known and differ in the first bit after it. Hence the bound of 4,000 rows
/// for k = 20 on any keys, an attacker's included.
public struct NearestWalk: Sendable {
    /// The target that distances are measured to.
    public var target: Key
    /// How many peers are wanted.
    public var count: Int
    /// Only peers farther than this are wanted: where an earlier page ended.
    public var after: Distance?
    /// The most rows that may be read before the walk gives up on exactness.
    public var maxRows: Int?

    @inlinable
    public init(target: Key, count: Int, after: Distance? = nil, maxRows: Int? = nil) {
        self.target = target
        self.count = count
        self.after = after
        self.maxRows = maxRows
    }

    /// What a walk found and what it cost.
    public struct Result<Row> {
        /// The nearest peers, nearest first.
        public var nearest: ClosestPeers<Row>
        /// False when `maxRows` ended the walk: nearer peers may exist that were not read.
        public var isExact = true
        /// How many of the nearest are certain: all of them, unless the walk ended early.
        public var certainCount = 0
        public var cost = Cost()

        @inlinable
        init(nearest: ClosestPeers<Row>) { self.nearest = nearest }
    }

    /// Rows read and cursors positioned.
    public struct Cost: Hashable, Sendable {
        /// Rows that a cursor stood on, kept or not.
        public var rows = 0
        /// Searches from the root of the index.
        public var seeks = 0
        /// Rows that the filter rejected in groups that were read whole.
        public var rejected = 0

        @inlinable
        public init() {}
    }
}

extension NearestWalk {
    /// How many rows of a group beyond what is needed are read before the group is treated as a cluster.
    ///
    /// Generous at first, because uniform keys never need more (a group of the deepest levels holds about as many rows as
    /// all deeper ones together); tight once a cluster is certain, because then every level costs this much.
    @usableFromInline static let firstSlack = 64
    @usableFromInline static let clusteredSlack = 4

    /// Rows that may be dropped before dropping must be earned by rejected rows. More than any unfiltered walk for k = 20
    /// drops; beyond it, groups that a filter empties are split after their first row, which costs at most
    /// three rows for each one that is rejected.
    @usableFromInline static let dropAllowance = 3_400

    /// Walks `index`.
    ///
    /// - Complexity: O(k) memory and, on uniform keys, O(log n + k) time.
    @inlinable
    public func run<Index: KeyIndex>(in index: inout Index) throws(Index.Failure) -> Result<Index.Row> {
        var result = Result(nearest: ClosestPeers<Index.Row>(target: target, capacity: count))
        guard count > 0, var frame = rootFrame() else { return result }
        var suspended: [Frame] = []
        var dropped = 0

        while true {
            if let maxRows, result.cost.rows + Swift.max(1, frame.unreadCount) > maxRows,
                !(frame.isExhausted && suspended.isEmpty)
            {
                result.isExact = false
                return result
            }
            guard try frame.position(in: &index, cost: &result.cost) else {
                guard let outer = suspended.popLast() else { return result }
                frame = outer
                continue
            }
            let direction = frame.nearerSide
            guard let head = frame[direction].head else { return result }
            let depth = head.commonPrefixLength(with: frame.pivot)
            if suspended.isEmpty, let after, depth == Key.bitWidth || after[bit: depth] {
                // Peers of an earlier page: all keys of this group are nearer than where that page ended.
                frame.skipGroup(at: depth, direction)
                continue
            }
            if case .parked = frame[direction] {
                frame[direction] = .unread
                frame.start(direction, at: head)
                continue
            }

            let kept = result.nearest.count
            let mark = index.mark()
            let needed = count - kept
            var slack = suspended.isEmpty && dropped == 0 ? Self.firstSlack : Self.clusteredSlack
            if dropped + needed + slack > Self.dropAllowance + result.cost.rejected { slack = 1 - needed }
            let end = frame.groupEnd(at: depth, direction)
            var read = 0
            var rejected = 0
            var key = head
            var next: Key?
            var isGroup = true
            while true {
                if result.nearest.wouldKeep(key.distance(to: target)) {
                    if let row = try index.row(direction) {
                        result.nearest.offer(key, row)
                    } else {
                        rejected += 1
                    }
                }
                read += 1
                if let maxRows, result.cost.rows >= maxRows {
                    result.isExact = false
                    return result
                }
                next = try index.advance(direction)
                guard let following = next else { break }
                result.cost.rows += 1
                isGroup = direction == .up ? following <= end : following >= end
                guard isGroup, read < needed + slack else { break }
                key = following
            }

            if next != nil, isGroup {
                if let maxRows, result.cost.rows >= maxRows {
                    result.isExact = false
                    return result
                }
                dropped += read + 1
                result.nearest.truncate(to: kept)
                index.release(to: mark)
                let inner = try frame.split(groupFrom: head, at: depth, direction, target: target, &index, &result.cost)
                suspended.append(frame)
                frame = inner
                continue
            }
            frame[direction] = next.map { .head($0) } ?? .exhausted
            result.cost.rejected += rejected
            result.certainCount = result.nearest.count
            if result.nearest.count >= count { return result }
        }
    }

    @inlinable
    func rootFrame() -> Frame? {
        guard let after else { return Frame(pivot: target, low: .zero, high: .max) }
        return Frame(pivot: target.advanced(by: after), low: .zero, high: .max)
    }
}
