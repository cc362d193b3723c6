import Kademlia

/// All peers that a lookup has heard of, nearest first, each with what became of it.
///
/// It forgets nobody, as in the implementations that it stands for: it grows with what is named.
///
/// - Complexity: O(log n) comparisons and O(n) moves for each new peer.
struct Shortlist: Sendable {
    enum State: Sendable {
        case heard, asked, answered, failed
    }

    struct Entry: Sendable {
        let distance: Distance
        let key: Key
        var state: State
    }

    let target: Key
    let localKey: Key
    private(set) var entries: [Entry] = []
    var work = LookupWork()

    init(target: Key, localKey: Key, seeds: [Key]) {
        self.target = target
        self.localKey = localKey
        for seed in seeds { hear(seed) }
    }

    /// - Returns: the place of a new peer; nil when it is known, or oneself.
    @discardableResult
    mutating func hear(_ key: Key) -> Int? {
        guard key != localKey else { return nil }
        let distance = key.distance(to: target)
        work.distances += 1
        let place = place(of: distance)
        guard place == entries.count || entries[place].distance != distance else { return nil }
        entries.insert(Entry(distance: distance, key: key, state: .heard), at: place)
        work.peakCandidates = max(work.peakCandidates, entries.count)
        return place
    }

    /// Notes what became of a peer.
    ///
    /// - Returns: what it was before; nil for a peer that was never heard of.
    @discardableResult
    mutating func set(_ key: Key, _ state: State) -> State? {
        let place = place(of: key.distance(to: target))
        guard place < entries.count, entries[place].key == key else { return nil }
        let before = entries[place].state
        entries[place].state = state
        return before
    }

    /// Marks a peer as asked and counts the request.
    mutating func ask(_ key: Key) {
        set(key, .asked)
        work.queries += 1
    }

    /// The places of the `count` nearest that have not failed.
    func nearest(_ count: Int) -> [Int] {
        Array(entries.indices.lazy.filter { entries[$0].state != .failed }.prefix(count))
    }

    private func place(of distance: Distance) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].distance < distance { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
