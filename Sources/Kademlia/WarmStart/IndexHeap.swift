/// A binary min-heap of indices: the smallest is the most urgent.
struct IndexHeap: Hashable, Sendable {
    private var nodes: [Int] = []

    var first: Int? { nodes.first }

    /// - Complexity: O(log n)
    mutating func insert(_ index: Int) {
        nodes.append(index)
        var child = nodes.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard nodes[child] < nodes[parent] else { return }
            nodes.swapAt(child, parent)
            child = parent
        }
    }

    /// - Complexity: O(log n)
    mutating func popFirst() -> Int? {
        guard let last = nodes.popLast() else { return nil }
        guard let smallest = nodes.first else { return last }
        nodes[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < nodes.count else { return smallest }
            if child + 1 < nodes.count, nodes[child + 1] < nodes[child] { child += 1 }
            guard nodes[child] < nodes[parent] else { return smallest }
            nodes.swapAt(child, parent)
            parent = child
        }
    }
}
