extension NearestWalk {
    /// One walk around one pivot inside one range of keys. Walks of clusters are nested: the outer ones wait suspended,
    /// their cursors parked, because the index has only one cursor in each direction.
    @usableFromInline
    struct Frame {
        @usableFromInline let pivot: Key
        @usableFromInline let low: Key
        @usableFromInline let high: Key
        @usableFromInline var up: Cursor = .unread
        @usableFromInline var down: Cursor = .unread
        /// Where unread cursors start.
        @usableFromInline var upFrom: Key?
        @usableFromInline var downFrom: Key?

        @usableFromInline
        enum Cursor {
            /// Not positioned yet.
            case unread
            /// Positioned on this key.
            case head(Key)
            /// Known to stand on this key, but the index's cursor has been used elsewhere since.
            case parked(Key)
            case exhausted

            @usableFromInline var head: Key? {
                switch self {
                case .head(let key), .parked(let key): key
                case .unread, .exhausted: nil
                }
            }
        }

        @inlinable
        init(pivot: Key, low: Key, high: Key) {
            self.pivot = pivot
            self.low = low
            self.high = high
            upFrom = pivot
            downFrom = pivot.predecessor
        }

        @usableFromInline
        subscript(direction: WalkDirection) -> Cursor {
            @inlinable get { direction == .up ? up : down }
            @inlinable set {
                if direction == .up { up = newValue } else { down = newValue }
            }
        }
    }
}

extension NearestWalk.Frame {
    /// The side whose head shares more bits with the pivot. Both never share equally many.
    @inlinable
    var nearerSide: WalkDirection {
        guard let above = up.head else { return .down }
        guard let below = down.head else { return .up }
        return above.distance(to: pivot) < below.distance(to: pivot) ? .up : .down
    }

    /// Reads the heads that are not known yet.
    ///
    /// - Returns: false when both cursors are exhausted.
    @inlinable
    mutating func position<Index: KeyIndex>(
        in index: inout Index, cost: inout NearestWalk.Cost
    ) throws(Index.Failure) -> Bool {
        if case .unread = up { up = try seek(.up, from: upFrom, &index, &cost) }
        if case .unread = down { down = try seek(.down, from: downFrom, &index, &cost) }
        return up.head != nil || down.head != nil
    }

    @inlinable
    func seek<Index: KeyIndex>(
        _ direction: WalkDirection, from: Key?, _ index: inout Index, _ cost: inout NearestWalk.Cost
    ) throws(Index.Failure) -> Cursor {
        guard let from else { return .exhausted }
        let start = direction == .up ? Swift.max(from, low) : low
        let end = direction == .up ? high : Swift.min(from, high)
        guard start <= end else { return .exhausted }
        cost.seeks += 1
        guard let head = try index.seek(direction, low: start, high: end) else { return .exhausted }
        cost.rows += 1
        return .head(head)
    }

    /// How many cursors are still to be positioned: the most rows that positioning reads.
    @inlinable
    var unreadCount: Int {
        var count = 0
        if case .unread = up { count += 1 }
        if case .unread = down { count += 1 }
        return count
    }

    /// Whether nothing is left on either side.
    @inlinable
    var isExhausted: Bool {
        if case .exhausted = up, case .exhausted = down { return true }
        return false
    }

    /// Sets where the cursor of `direction` is to be positioned next; nil means that nothing is left on that side.
    @inlinable
    mutating func start(_ direction: WalkDirection, at key: Key?) {
        self[direction] = key == nil ? .exhausted : .unread
        if direction == .up { upFrom = key } else { downFrom = key }
    }

    /// The last key, in `direction`, that the group at `depth` can have.
    @inlinable
    func groupEnd(at depth: Int, _ direction: WalkDirection) -> Key {
        guard depth < Key.bitWidth else { return pivot }
        let group = pivot.flippingBit(depth)
        return direction == .up ? group.upperBound(prefix: depth + 1) : group.lowerBound(prefix: depth + 1)
    }

    /// Moves the cursor of `direction` past the group at `depth`.
    @inlinable
    mutating func skipGroup(at depth: Int, _ direction: WalkDirection) {
        let end = groupEnd(at: depth, direction)
        start(direction, at: direction == .up ? end.successor : end.predecessor)
    }

    /// The walk of an oversized group that begins at `first`; this frame is left ready to go on behind the group.
    @inlinable
    mutating func split<Index: KeyIndex>(
        groupFrom first: Key, at depth: Int, _ direction: WalkDirection, target: Key, _ index: inout Index,
        _ cost: inout NearestWalk.Cost
    ) throws(Index.Failure) -> Self {
        skipGroup(at: depth, direction)
        let end = groupEnd(at: depth, direction)
        let opposite: WalkDirection = direction == .up ? .down : .up
        let far = try index.seek(
            opposite, low: direction == .up ? first : Swift.max(low, end),
            high: direction == .up ? Swift.min(high, end) : first)
        cost.seeks += 1
        cost.rows += 1
        if case .head(let key) = self[opposite] { self[opposite] = .parked(key) }
        let last = far ?? first
        let shared = first.commonPrefixLength(with: last)
        return Self(
            pivot: first.prefix(shared, followedBy: target), low: Swift.min(first, last), high: Swift.max(first, last))
    }
}
