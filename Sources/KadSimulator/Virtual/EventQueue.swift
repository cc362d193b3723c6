/// What will happen, in the order of its time; what happens at the same time, in the order it was scheduled in.
///
/// A binary heap. The sequence number makes the order total, so a run never depends on how the heap happens to lie.
///
/// - Complexity: O(log n) to schedule and to take.
public struct EventQueue<Event> {
    fileprivate struct Entry {
        let time: VirtualTime
        let sequence: UInt64
        let event: Event

        func precedes(_ other: Entry) -> Bool { (time, sequence) < (other.time, other.sequence) }
    }

    private var heap: [Entry] = []
    private var scheduled: UInt64 = 0

    public init() {}

    public var isEmpty: Bool { heap.isEmpty }
    public var count: Int { heap.count }

    /// When the next event happens.
    public var nextTime: VirtualTime? { heap.first?.time }

    public mutating func schedule(_ event: Event, at time: VirtualTime) {
        heap.append(Entry(time: time, sequence: scheduled, event: event))
        scheduled += 1
        siftUp()
    }

    /// Takes the next event.
    public mutating func next() -> (time: VirtualTime, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            siftDown()
        }
        return (first.time, first.event)
    }

    private mutating func siftUp() {
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var first = parent
            for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count {
                if heap[child].precedes(heap[first]) { first = child }
            }
            guard first != parent else { return }
            heap.swapAt(first, parent)
            parent = first
        }
    }
}

extension EventQueue: Sendable where Event: Sendable {}
extension EventQueue.Entry: Sendable where Event: Sendable {}
