import NIOCore

/// The streams that ended last, with what the other end may still send on each: what was under way is no fault.
struct YamuxGoneStreams: Sendable {
    /// Beyond it the oldest are forgotten; frames for those count as idle. As many as end within a round trip.
    static let capacity = 1_024
    /// Frames without bytes that may come for each: an ACK, an end and a reset can cross our own reset.
    static let maximumFrames = 4

    private struct Rest {
        var window: Int
        var frames = YamuxGoneStreams.maximumFrames
    }

    private var rests: [UInt32: Rest] = [:]
    private var order = CircularBuffer<UInt32>()

    var count: Int { rests.count }

    mutating func insert(_ id: UInt32, window: Int) {
        if order.count == Self.capacity, let oldest = order.popFirst() { rests[oldest] = nil }
        rests[id] = Rest(window: window)
        order.append(id)
    }

    /// How many bytes may come for a stream; nil when it is not known any more.
    func window(of id: UInt32) -> Int? { rests[id]?.window }

    mutating func takeBytes(_ count: Int, of id: UInt32) { rests[id]?.window -= count }

    /// Takes a frame without bytes; false when no more were to be expected.
    mutating func takeFrame(of id: UInt32) -> Bool {
        guard let rest = rests[id], rest.frames > 0 else { return false }
        rests[id]?.frames -= 1
        return true
    }
}
