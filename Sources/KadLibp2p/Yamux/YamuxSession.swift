import Kademlia
import NIOCore

/// One end of a Yamux session: a pure value. Every handler takes what happened and the time, and answers with what is to
/// be done; there is no I/O, clock or randomness in it.
///
/// What the other end can make it keep is bounded: a header, `maximumInboundStreams` states and the numbers of the streams
/// that ended last. Bodies are handed on as they come, never gathered; what was handed on and not ``consumed`` is counted.
/// Source: <https://github.com/hashicorp/yamux/blob/master/spec.md>
struct YamuxSession {
    struct StreamID: Hashable, Sendable, Comparable {
        let number: UInt32
        static func < (left: StreamID, right: StreamID) -> Bool { left.number < right.number }
    }

    enum Directive {
        /// Write to the (secured) connection, in order.
        case send(ByteBuffer)
        /// The other end opened a stream: ``accept(_:at:)`` it, or ``reset(_:at:)`` it.
        case opened(StreamID)
        /// The other end took the stream that we opened.
        case accepted(StreamID)
        /// Bytes of the stream. Call ``consumed(_:on:at:)`` when the reader has taken them: it opens the window again.
        case received(StreamID, ByteBuffer)
        /// The other end will send no more on it.
        case ended(StreamID)
        /// The stream is gone; the session lives, unless ``closed(_:)`` follows.
        case failed(StreamID, YamuxError)
        /// Everything that was queued by ``write(_:on:at:)`` is sent now: the writer may go on.
        case drained(StreamID)
        /// The other end takes no new streams.
        case goneAway
        /// The session is over: close the connection when what was sent before is written. Every stream has failed.
        case closed(YamuxError)
    }

    /// The body of a data frame, as far as it has not come.
    struct Body: Hashable {
        let stream: UInt32
        var remaining: Int
        let isLast: Bool
    }

    let configuration: Configuration
    /// Live streams, and those that ended with bytes that nobody has read yet.
    var streams: [UInt32: YamuxStreamState] = [:]
    var gone = YamuxGoneStreams()
    /// The other end's numbers.
    var theirs: YamuxStreamIDs
    /// The number of our next stream; wider than an id, so that it can be past the last.
    var nextID: UInt64

    /// Bytes that were received and not read, of all streams.
    var buffered = 0
    /// Bytes that wait for windows, of all streams.
    var queued = 0
    /// Streams whose windows wait for ``buffered`` to fall, the longest waiting first.
    var withheld: [UInt32] = []
    var inbound = Tally()
    var outbound = Tally()

    /// Window updates that the bytes sent have paid for.
    var updateCredit = 0
    var pings: YamuxAllowance
    var windowUpdates: YamuxAllowance
    var idleFrames: YamuxAllowance
    var keepAlive: YamuxKeepAlive

    /// We take no new streams.
    var isLeaving = false
    /// Why the other end takes none.
    var theirGoAway: YamuxGoAway?
    /// Why the session is over.
    var end: YamuxError?

    /// The beginning of a header.
    var header = ByteBuffer()
    var body: Body?
    /// No stream's deadline is earlier.
    var earliestDeadline: Uptime?

    var output = ByteBuffer()
    var events: [Directive] = []

    /// Streams of one direction.
    struct Tally: Hashable {
        var open = 0
        /// Of them, not accepted.
        var backlog = 0
    }

    /// The most window updates that may be paid for in advance.
    static let maximumUpdateCredit = 1 << 20

    init(role: Role, configuration: Configuration = Configuration()) {
        self.configuration = configuration.bounded
        theirs = YamuxStreamIDs(parity: role == .dialer ? 0 : 1)
        nextID = role == .dialer ? 1 : 2
        pings = YamuxAllowance(configuration.pings)
        windowUpdates = YamuxAllowance(configuration.windowUpdates)
        idleFrames = YamuxAllowance(configuration.idleFrames)
        keepAlive = YamuxKeepAlive(
            interval: configuration.keepAliveMilliseconds, timeout: configuration.keepAliveTimeoutMilliseconds)
    }

    /// Streams of both directions.
    var streamCount: Int { streams.count }

    /// The latest round trip of a ping, in milliseconds.
    var roundTrip: Int64? { keepAlive.roundTrip }

    /// The answer of a handler: all frames first, so that they are sent before the connection is closed.
    mutating func answer() -> [Directive] {
        let sent = output.readableBytes > 0 ? [Directive.send(output)] : []
        defer {
            output = ByteBuffer()
            events = []
        }
        return sent + events
    }

    mutating func send(
        _ kind: YamuxFrame.Kind, _ flags: YamuxFrame.Flags = [], stream: UInt32 = 0, length: UInt32 = 0
    ) {
        YamuxFrame(kind: kind, flags: flags, stream: stream, length: length).encode(into: &output)
    }
}
