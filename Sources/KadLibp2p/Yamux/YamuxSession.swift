import Kademlia
import NIOCore

/// One end of a Yamux session: a pure value. Every handler answers with what is to be done.
struct YamuxSession {
    struct StreamID: Hashable, Sendable, Comparable {
        let number: UInt32
        static func < (left: StreamID, right: StreamID) -> Bool { left.number < right.number }
    }

    struct Configuration: Hashable, Sendable {
        /// Bytes that the other end may send on a stream before we have read any.
        var receiveWindow: UInt32 = 256 * 1024
        init() {}
    }

    enum Directive {
        /// Write to the (secured) connection, in order.
        case send(ByteBuffer)
        /// The other end opened a stream.
        case opened(StreamID)
        /// The other end took the stream that we opened.
        case accepted(StreamID)
        case received(StreamID, ByteBuffer)
        /// The other end will send no more on it.
        case ended(StreamID)
        /// The stream is gone; the session lives.
        case failed(StreamID, YamuxError)
        /// Everything that was queued by ``write`` is sent now: the writer may go on.
        case drained(StreamID)
        /// The other end takes no new streams.
        case goneAway
        /// The session is over: close the connection when what was sent before is written. Every stream has failed.
        case closed(YamuxError)
    }

    init(role: Role, configuration: Configuration = Configuration()) {}

    mutating func receive(_ bytes: inout ByteBuffer, at now: Uptime) -> [Directive] { [] }
    mutating func open(at now: Uptime) throws(YamuxError) -> (StreamID, [Directive]) { throw .closed }
    /// Queues, and sends what the window allows.
    mutating func write(_ bytes: ByteBuffer, on id: StreamID, at now: Uptime) throws(YamuxError) -> [Directive] { [] }
    /// The reader took so many bytes.
    mutating func consumed(_ count: Int, on id: StreamID, at now: Uptime) -> [Directive] { [] }
    mutating func closeWriting(_ id: StreamID, at now: Uptime) -> [Directive] { [] }
    mutating func reset(_ id: StreamID, at now: Uptime) -> [Directive] { [] }
    mutating func goAway(at now: Uptime) -> [Directive] { [] }
    mutating func tick(at now: Uptime) -> [Directive] { [] }
    var nextTick: Uptime? { nil }
    var streamCount: Int { 0 }
}

enum YamuxError: Error, Hashable, Sendable {
    case closed
}
