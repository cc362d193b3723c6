/// The peers nearest to the target that one path of a lookup knows of and that have not failed: bounded, sorted.
///
/// A sorted array: insertion moves a few kilobytes at most, search is binary, and the nearest are read in order. A peer is
/// its distance, from which its key follows by XOR; so a duplicate is found by the search for its place.
///
/// When there is no room the farthest waiting peer goes. It is not lost, if a store holds it: the horizon retreats before
/// it, and whoever needs peers beyond the horizon reads on from there.
struct Frontier: Sendable {
    enum State: UInt8, Sendable {
        /// Not asked yet.
        case waiting
        /// Asked, by this path or another.
        case asked
        /// Asked, and past its slow mark.
        case slow
        case answered
    }

    struct Entry: Sendable {
        let distance: Distance
        /// 1 for a peer that was known without an answer, one more for each answer that led to it.
        let depth: UInt16
        var state: State
    }

    /// Nearest first.
    private(set) var entries: [Entry] = []

    /// The most entries there are between two calls. Answered and asked ones together never fill it.
    let capacity: Int

    /// The answered peers that are kept: the nearest. Those beyond can become neither a result nor a reason to go on.
    let answeredLimit: Int
    private var answeredCount = 0

    /// Every peer up to here, itself included, that was ever offered or that the store holds, is an entry, or was
    /// asked or passed over. Nil before the first reading; `.max` when there is nothing beyond.
    private(set) var horizon: Distance?

    /// While the store is read: the nearest peer that was dropped since. It may have come too late for that reading, so
    /// the horizon must not pass it.
    private var nearestDropped: Distance?
    private var isRefilling = false

    /// The farthest waiting peer once there is no room: what is beyond it does not enter.
    private var cutoff: Distance?

    init(capacity: Int, answeredLimit: Int) {
        self.capacity = capacity
        self.answeredLimit = answeredLimit
        entries.reserveCapacity(capacity + 1)
    }

    /// Whether offering a peer at `distance` can change anything. Most of a large stream of offers ends here.
    func concerns(_ distance: Distance) -> Bool {
        guard let cutoff, distance > cutoff, !isRefilling else { return true }
        return isComplete(upTo: distance)
    }

    func isComplete(upTo distance: Distance) -> Bool {
        guard let horizon else { return false }
        return distance <= horizon
    }

    /// Takes in a peer that is neither failed nor passed over.
    ///
    /// - Returns: its place, or nil when it was known or is too far.
    /// - Complexity: O(log capacity) to find the place, O(capacity) to make room.
    mutating func insert(_ distance: Distance, depth: UInt16, state: State) -> Int? {
        let index = lowerBound(of: distance)
        if index < entries.count, entries[index].distance == distance { return nil }
        if state == .waiting, entries.count >= capacity, cutoff.map({ distance > $0 }) ?? true {
            drop(distance)
            return nil
        }
        makeRoom(for: Entry(distance: distance, depth: depth, state: state), at: index)
        if state == .answered { answeredCount += 1 }
        trim()
        return index
    }

    /// Notes what became of a peer; does nothing when it is no entry.
    mutating func set(_ distance: Distance, to state: State) {
        guard let index = firstIndex(of: distance) else { return }
        if entries[index].state == .answered { answeredCount -= 1 }
        entries[index].state = state
        if state == .answered { answeredCount += 1 }
        trim()
    }

    /// Takes out a peer that failed or was passed over; does nothing when it is no entry.
    mutating func remove(_ distance: Distance) {
        guard let index = firstIndex(of: distance) else { return }
        if entries[index].state == .answered { answeredCount -= 1 }
        entries.remove(at: index)
        refreshCutoff()
    }

    /// The number of entries up to the horizon.
    var completeCount: Int {
        guard let horizon else { return 0 }
        guard let next = horizon.successor else { return entries.count }
        return lowerBound(of: next)
    }

    /// How many peers read from behind the horizon could stay: on free places and those of waiting peers beyond it.
    var room: Int {
        capacity - entries.count + entries.dropFirst(completeCount).count { $0.state == .waiting }
    }

    // MARK: The horizon

    mutating func beginRefill() {
        isRefilling = true
        nearestDropped = nil
    }

    /// The store was read from the horizon on, as it was when the reading began, up to `reached`. If it retreated since,
    /// then before a peer that was dropped, so it stays where it is.
    mutating func endRefill(reached: Distance) {
        var end = reached
        if let nearestDropped, nearestDropped <= end, let before = nearestDropped.predecessor { end = before }
        horizon = horizon.map { max($0, end) } ?? end
        isRefilling = false
        nearestDropped = nil
    }

    private mutating func drop(_ distance: Distance) {
        if isComplete(upTo: distance) { horizon = distance.predecessor }
        if isRefilling { nearestDropped = nearestDropped.map { min($0, distance) } ?? distance }
    }

    // MARK: The bounds

    /// By hand, as in ``ClosestPeers``: the standard library's insertion goes through a general replacement of ranges.
    private mutating func makeRoom(for entry: Entry, at index: Int) {
        entries.append(entry)
        entries.withUnsafeMutableBufferPointer { entries in
            var place = entries.count - 1
            while place > index {
                entries[place] = entries[place - 1]
                place -= 1
            }
            entries[index] = entry
        }
    }

    private mutating func trim() {
        if answeredCount > answeredLimit, let index = entries.lastIndex(where: { $0.state == .answered }) {
            entries.remove(at: index)
            answeredCount -= 1
        }
        if entries.count > capacity, let index = entries.lastIndex(where: { $0.state == .waiting }) {
            drop(entries.remove(at: index).distance)
        }
        refreshCutoff()
    }

    private mutating func refreshCutoff() {
        cutoff = entries.count < capacity ? nil : entries.last { $0.state == .waiting }?.distance
    }

    // MARK: Search

    private func firstIndex(of distance: Distance) -> Int? {
        let index = lowerBound(of: distance)
        return index < entries.count && entries[index].distance == distance ? index : nil
    }

    private func lowerBound(of distance: Distance) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].distance < distance { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The places that are reserved: the same from beginning to end, so that no offer allocates.
    var reservedCapacity: Int { entries.capacity }
}

extension Distance {
    /// The next larger distance, or nil after the largest.
    var successor: Distance? { Key.zero.advanced(by: self).successor.map { Key.zero.distance(to: $0) } }

    /// The next smaller distance, or nil before zero.
    var predecessor: Distance? { Key.zero.advanced(by: self).predecessor.map { Key.zero.distance(to: $0) } }
}
