import Multiformats
import NIOCore
import Synchronization

/// One stream of a connection, as its user holds it.
///
/// What has come and who waits is behind a lock rather than on the event loop: a wait ends at once when its task is
/// cancelled or the stream dies, whatever the loop is doing, and also when the loop is gone. Nobody has to close a stream:
/// one that is dropped is taken care of.
final class ConnectionStream: MessageStream {
    let connection: Connection
    let id: YamuxSession.StreamID
    private let state = Mutex(State())

    private typealias Reader = CheckedContinuation<Result<ByteBuffer?, ConnectionError>, Never>
    private typealias Writer = CheckedContinuation<Result<Void, ConnectionError>, Never>

    private struct State {
        var inbound = ByteBuffer()
        /// Bytes at the front of it that were read once, so that the window has been opened for them.
        var putBack = 0
        /// The other end sends no more.
        var isEnded = false
        var isWriteClosed = false
        var failure: ConnectionError?
        var reader: Reader?
        var writer: Writer?

        /// What a reader gets now; nil when it has to wait.
        mutating func take() -> Result<ByteBuffer?, ConnectionError>? {
            if inbound.readableBytes > 0 {
                defer { inbound = ByteBuffer() }
                return .success(inbound)
            }
            if isEnded { return .success(nil) }
            return failure.map { .failure($0) }
        }

        /// The reader that waits, and what it gets.
        mutating func handOver() -> (Reader?, Result<ByteBuffer?, ConnectionError>?) {
            guard let waiting = reader, let ready = take() else { return (nil, nil) }
            reader = nil
            return (waiting, ready)
        }

        /// Whether the connection does not know the stream any more.
        var isGone: Bool { failure != nil || isEnded && isWriteClosed && inbound.readableBytes == 0 }
    }

    /// A write is cut into pieces of this many bytes, each of which waits for the socket: what lies in the connection's
    /// buffers is a piece a stream at most.
    static let pieceBytes = 64 * 1_024

    init(connection: Connection, id: YamuxSession.StreamID) {
        self.connection = connection
        self.id = id
    }

    deinit {
        if !state.withLock({ $0.isGone }) { connection.abandon(id) }
    }

    var remote: PeerID { connection.remote }

    var remoteAddress: Multiaddr { connection.remoteAddress }

    var endpoint: Multiaddr { connection.endpoint }

    var isDialled: Bool { connection.role == .dialer }

    // MARK: The user's side

    func read() async throws(ConnectionError) -> ByteBuffer? {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Reader) in
                let ready: Result<ByteBuffer?, ConnectionError>? = state.withLock { state in
                    guard state.reader == nil else { return .failure(ConnectionError(.inUse)) }
                    if let ready = state.take() { return ready }
                    state.reader = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            reset()
        }
        let bytes = try result.get()
        if let count = bytes?.readableBytes {
            let fresh = state.withLock { state in
                let known = min(state.putBack, count)
                state.putBack -= known
                return state.failure == nil ? count - known : 0
            }
            connection.consumed(fresh, on: id)
        }
        return bytes
    }

    func write(_ bytes: ByteBuffer) async throws(ConnectionError) {
        var rest = bytes
        while rest.readableBytes > 0,
            let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes))
        {
            let result = await withTaskCancellationHandler {
                await withCheckedContinuation { (continuation: Writer) in
                    let refused: ConnectionError? = state.withLock { state in
                        if let failure = state.failure { return failure }
                        guard !state.isWriteClosed else { return ConnectionError(.muxer(.notWritable)) }
                        guard state.writer == nil else { return ConnectionError(.inUse) }
                        state.writer = continuation
                        return nil
                    }
                    if let refused {
                        continuation.resume(returning: .failure(refused))
                    } else {
                        connection.write(piece, on: self)
                    }
                }
            } onCancel: {
                reset()
            }
            try result.get()
        }
    }

    func closeWriting() async {
        state.withLock { $0.isWriteClosed = true }
        connection.closeWriting(id)
    }

    func reset() {
        guard fail(ConnectionError(.cancelled), keepingInbound: false) else { return }
        connection.reset(id)
    }

    /// Resets the stream after this time, unless what is returned is cancelled before. Whoever waits is told that it took too
    /// long.
    func expire(in time: Duration) -> Scheduled<Void> {
        connection.schedule(in: time) { [weak self] in
            guard let self, self.fail(ConnectionError(.timedOut), keepingInbound: false) else { return }
            self.connection.reset(self.id)
        }
    }

    /// Gives bytes back that were read too many, before anybody else reads.
    func putBack(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        state.withLock { state in
            state.putBack += bytes.readableBytes
            var all = bytes
            var behind = state.inbound
            all.writeBuffer(&behind)
            state.inbound = all
        }
    }

    // MARK: The connection's side

    func receive(_ bytes: ByteBuffer) {
        let (reader, ready) = state.withLock { state -> (Reader?, Result<ByteBuffer?, ConnectionError>?) in
            guard state.failure == nil else { return (nil, nil) }
            // Copied together: many small slices would each keep a whole packet in memory.
            var bytes = bytes
            if state.inbound.readableBytes == 0 { state.inbound = bytes } else { state.inbound.writeBuffer(&bytes) }
            return state.handOver()
        }
        if let reader, let ready { reader.resume(returning: ready) }
    }

    func end() {
        let (reader, ready) = state.withLock { state -> (Reader?, Result<ByteBuffer?, ConnectionError>?) in
            state.isEnded = true
            return state.handOver()
        }
        if let reader, let ready { reader.resume(returning: ready) }
    }

    /// What was written last is on its way, or cannot be sent.
    func drained(_ result: Result<Void, ConnectionError> = .success(())) {
        let writer = state.withLock { state -> Writer? in
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume(returning: result)
    }

    /// - Parameter keepingInbound: whether what came before may still be read.
    /// - Returns: false when it had failed before.
    @discardableResult
    func fail(_ error: ConnectionError, keepingInbound: Bool) -> Bool {
        let (isFirst, reader, writer) = state.withLock { state -> (Bool, Reader?, Writer?) in
            guard state.failure == nil else { return (false, nil, nil) }
            state.failure = error
            if !keepingInbound {
                state.inbound = ByteBuffer()
                state.isEnded = false
            }
            defer { (state.reader, state.writer) = (nil, nil) }
            return (true, state.reader, state.writer)
        }
        reader?.resume(returning: .failure(error))
        writer?.resume(returning: .failure(error))
        return isFirst
    }
}
