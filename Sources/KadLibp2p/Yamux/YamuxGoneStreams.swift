import NIOCore

/// The streams that ended last, with what the other end may still send on each: what was under way is no fault.
struct YamuxGoneStreams: Sendable {
    /// Beyond it the oldest are forgotten; frames for those count as idle.
    static let capacity = 256

    private var windows: [UInt32: Int] = [:]
    private var order = CircularBuffer<UInt32>()

    var count: Int { windows.count }

    mutating func insert(_ id: UInt32, window: Int) {
        if order.count == Self.capacity, let oldest = order.popFirst() { windows[oldest] = nil }
        windows[id] = window
        order.append(id)
    }

    func contains(_ id: UInt32) -> Bool { windows[id] != nil }

    /// Takes bytes from a stream's window. nil when the stream is not known any more, false when they are more than is left.
    mutating func take(_ length: Int, of id: UInt32) -> Bool? {
        guard let window = windows[id] else { return nil }
        guard length <= window else { return false }
        windows[id] = window - length
        return true
    }
}
