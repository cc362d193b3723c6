import Kademlia

/// Why a stream or a session failed, by kind: what it reaches, what it is remembered as, and whether trying again helps.
enum YamuxError: Error, Hashable, Sendable {
    // One stream, by the other end's doing.
    /// The other end reset the stream instead of accepting it: its limit or its backlog is full, or it goes away.
    case refused
    /// The other end reset the stream after it had accepted it.
    case reset
    /// Nobody accepted the stream in time.
    case acceptTimeout
    /// The other end did not open its window for what was to be sent.
    case writeTimeout
    /// The stream was closed in one direction, and nothing happened in the other.
    case lingered
    /// So many streams that we opened wait to be accepted.
    case backlogFull

    // One stream, by our own doing.
    /// The stream is not there any more, or our direction of it is closed.
    case notWritable
    /// So many streams are open at most.
    case streamLimit
    /// So many bytes wait to be sent at most.
    case sendLimit
    /// So many bytes of the other end wait to be read at most.
    case receiveLimit

    // The connection.
    /// We closed it.
    case closed
    /// It broke.
    case disconnected
    /// The other end takes no new streams, or ended the session.
    case goneAway(YamuxGoAway)
    /// A ping was not answered in time.
    case keepAliveTimeout
    /// Every stream id was used.
    case idsExhausted

    // The peer.
    /// It broke the rules.
    case violation(YamuxViolation)

    /// What the failure reaches: what else is worth trying with this peer.
    var scope: FailureScope {
        switch self {
        case .refused, .reset, .acceptTimeout, .writeTimeout, .lingered, .backlogFull: .stream
        case .notWritable, .streamLimit, .sendLimit, .receiveLimit: .stream
        case .closed, .disconnected, .goneAway, .keepAliveTimeout, .idsExhausted: .connection
        case .violation: .peer
        }
    }

    /// What it is remembered as.
    var failureClass: FailureClass {
        switch self {
        case .refused, .reset, .acceptTimeout, .writeTimeout, .lingered, .backlogFull: .stream
        case .streamLimit, .sendLimit, .receiveLimit, .idsExhausted: .local
        case .notWritable, .closed: .cancelled
        case .disconnected, .goneAway: .reset
        case .keepAliveTimeout: .timeout
        case .violation: .badResponse
        }
    }

    /// Whether the same may work some milliseconds later, on a new stream or a new connection as ``scope`` says. The failure
    /// policy decides it, by class, and ``RetrySchedule`` says when: nothing here waits.
    var isTransient: Bool { FailurePolicy.standard[failureClass].isRetriedInCall }
}

/// A rule that the other end broke. The session ends with it.
enum YamuxViolation: Error, Hashable, Sendable {
    case version(UInt8)
    case frameType(UInt8)
    /// More bytes than the stream's window has left.
    case windowOverrun(stream: UInt32, length: UInt32)
    /// Updates added up to more than a window can be, 2^32 - 1.
    case windowOverflow(stream: UInt32)
    /// A stream opened with a number that is ours to give, or 0.
    case wrongParity(stream: UInt32)
    /// A stream opened with a number that was used.
    case reusedID(stream: UInt32)
    /// A frame for a stream that was never opened.
    case unknownStream(stream: UInt32)
    /// Bytes after the end of a stream.
    case dataAfterEnd(stream: UInt32)
    case pingFlood
    case windowUpdateFlood
    /// Frames that change nothing, or streams opened only to be refused or reset.
    case idleFrameFlood
}

extension YamuxError: CustomStringConvertible {
    var description: String {
        switch self {
        case .refused: "the other end did not accept the stream"
        case .reset: "the other end reset the stream"
        case .acceptTimeout: "the stream was not accepted in time"
        case .writeTimeout: "the other end did not open the stream's window in time"
        case .lingered: "the stream was closed in one direction and went silent in the other"
        case .backlogFull: "too many streams wait for the other end to accept them"
        case .notWritable: "the stream is closed for writing"
        case .streamLimit: "too many streams are open on this connection"
        case .sendLimit: "too many bytes wait to be sent on this connection"
        case .receiveLimit: "too many bytes of this connection wait to be read"
        case .closed: "the connection was closed on this side"
        case .disconnected: "the connection broke"
        case .goneAway(let code): "the other end closes the connection (\(code))"
        case .keepAliveTimeout: "the other end did not answer a ping in time"
        case .idsExhausted: "every stream id of the connection was used"
        case .violation(let violation): "the other end broke Yamux's rules: \(violation)"
        }
    }
}

extension YamuxViolation: CustomStringConvertible {
    var description: String {
        switch self {
        case .version(let version): "version \(version) instead of \(YamuxFrame.version)"
        case .frameType(let type): "unknown frame type \(type)"
        case .windowOverrun(let stream, let length): "\(length) bytes on stream \(stream) are more than its window"
        case .windowOverflow(let stream): "the window of stream \(stream) exceeds 32 bits"
        case .wrongParity(let stream): "stream \(stream) was not the other end's to open"
        case .reusedID(let stream): "stream \(stream) was opened twice"
        case .unknownStream(let stream): "a frame for stream \(stream), which was never opened"
        case .dataAfterEnd(let stream): "bytes after the end of stream \(stream)"
        case .pingFlood: "a flood of pings"
        case .windowUpdateFlood: "a flood of window updates"
        case .idleFrameFlood: "a flood of frames to no effect"
        }
    }
}

extension YamuxGoAway: CustomStringConvertible {
    var description: String {
        switch self {
        case .normal: "normally"
        case .protocolError: "for a protocol error"
        case .internalError: "for an internal error"
        default: "code \(rawValue)"
        }
    }
}
