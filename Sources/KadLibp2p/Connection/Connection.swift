import Multiformats
import NIOCore

/// A secured and multiplexed connection, as it is known outside its event loop. Everything is handed to the loop, in order.
final class Connection: Sendable {
    /// Counts up in a swarm: the smaller of two is older.
    let number: UInt64
    let role: Role
    let remote: PeerID
    let remoteKey: PublicKey
    let remoteAddress: Multiaddr
    /// The socket's other end: ``remoteAddress``, but where a name was dialled.
    let endpoint: Multiaddr
    private let handler: NIOLoopBound<ConnectionHandler>

    init(
        number: UInt64, role: Role, remote: PeerID, remoteKey: PublicKey, remoteAddress: Multiaddr,
        endpoint: Multiaddr? = nil, handler: NIOLoopBound<ConnectionHandler>
    ) {
        self.number = number
        self.role = role
        self.remote = remote
        self.remoteKey = remoteKey
        self.remoteAddress = remoteAddress
        self.endpoint = endpoint ?? remoteAddress
        self.handler = handler
    }

    /// Opens a stream on which nothing has been agreed yet.
    ///
    /// - Parameter isNew: whether the connection was made for it.
    func open(isNew: Bool = false) async throws(ConnectionError) -> ConnectionStream {
        let opened = OneShot<ConnectionStream>()
        onLoop { handler in
            // A stream that nobody takes any more is abandoned as it is dropped.
            opened.complete(handler.open(isNew: isNew))
        }
        return try await opened.value()
    }

    func write(_ bytes: ByteBuffer, on stream: ConnectionStream) { onLoop { $0.write(bytes, on: stream) } }

    func consumed(_ count: Int, on id: YamuxSession.StreamID) {
        guard count > 0 else { return }
        onLoop { $0.consumed(count, on: id) }
    }

    func closeWriting(_ id: YamuxSession.StreamID) { onLoop { $0.closeWriting(id) } }

    func reset(_ id: YamuxSession.StreamID) { onLoop { $0.reset(id) } }

    /// Behind everything that was asked for before, also where the loop itself lets go of the stream.
    func abandon(_ id: YamuxSession.StreamID) {
        let handler = handler
        handler.eventLoop.execute { handler.value.abandon(id) }
    }

    /// Says that it ends, then closes it. Streams that live fail with `reason`.
    func close(_ reason: ConnectionError.Reason) { onLoop { $0.close(reason) } }

    /// Runs `body` on the event loop, later.
    func schedule(in time: Duration, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void> {
        handler.eventLoop.scheduleTask(in: TimeAmount(time), body)
    }

    private func onLoop(_ body: @escaping @Sendable (ConnectionHandler) -> Void) {
        let handler = handler
        if handler.eventLoop.inEventLoop {
            body(handler.value)
        } else {
            handler.eventLoop.execute { body(handler.value) }
        }
    }
}
