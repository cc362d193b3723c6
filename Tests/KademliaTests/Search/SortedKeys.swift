import Kademlia

/// The simplest index: a sorted array. Counts what is read, and refuses what a walk must not do.
struct SortedKeys: KeyIndex {
    var keys: [Key]
    var accepts: (Key) -> Bool = { _ in true }
    private(set) var rowsRead = 0
    private(set) var seeks = 0
    private var up: (index: Int, end: Int)?
    private var down: (index: Int, end: Int)?

    init(_ keys: some Sequence<Key>, accepts: @escaping (Key) -> Bool = { _ in true }) {
        self.keys = Set(keys).sorted()
        self.accepts = accepts
    }

    mutating func seek(_ direction: WalkDirection, low: Key, high: Key) -> Key? {
        seeks += 1
        let first = firstIndex { $0 >= low }
        let last = firstIndex { $0 > high } - 1
        switch direction {
        case .up: up = (first - 1, last)
        case .down: down = (last + 1, first)
        }
        return advance(direction)
    }

    mutating func advance(_ direction: WalkDirection) -> Key? {
        switch direction {
        case .up:
            guard let cursor = up, cursor.index < cursor.end else { return nil }
            up = (cursor.index + 1, cursor.end)
            rowsRead += 1
            return keys[cursor.index + 1]
        case .down:
            guard let cursor = down, cursor.index > cursor.end else { return nil }
            down = (cursor.index - 1, cursor.end)
            rowsRead += 1
            return keys[cursor.index - 1]
        }
    }

    func row(_ direction: WalkDirection) -> Key? {
        guard let index = direction == .up ? up?.index : down?.index else { return nil }
        return accepts(keys[index]) ? keys[index] : nil
    }

    private func firstIndex(where predicate: (Key) -> Bool) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if predicate(keys[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
