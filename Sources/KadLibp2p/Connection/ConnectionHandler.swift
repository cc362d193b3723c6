import Crypto
import Kademlia
import Multiformats
import NIOCore

/// The shell around one connection's pure machines: moves bytes from the socket through ``ConnectionUpgrade``,
/// ``SecureChannel`` and ``YamuxSession`` to the streams and back, and keeps their time. Confined to its event loop.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Settings: Sendable {
        var role: Role
        var expected: PeerID?
        var keys: KeyPair
        var number: UInt64
        /// Where the other end is said to be. An accepted connection's is taken from the socket.
        var address: Multiaddr?
        /// Of the whole handshake, and the dial before it.
        var handshakeTimeout: Duration
        var idleTimeout: Duration
        var lingerTimeout: Duration
        var unreadLimit: Int
        var unsentLimit: Int
        var muxer = YamuxSession.Configuration()
    }

    let settings: Settings
    let events: ConnectionEvents
    let metrics: SwarmMetrics
    let eventLoop: any EventLoop

    /// Exactly one of these two is there until the connection is over.
    var upgrade: ConnectionUpgrade?
    var session: YamuxSession?
    var secure: SecureChannel?
    var connection: Connection?
    var context: ChannelHandlerContext?

    /// Bytes from the socket behind the last whole message.
    var incoming = ByteBuffer()
    /// Plaintext behind the last whole frame.
    var plaintext = ByteBuffer()
    /// Frames that wait to be sealed.
    var outgoing = ByteBuffer()
    /// Sealed bytes that the socket has not taken.
    var unsentBytes = 0

    var streams: [YamuxSession.StreamID: OpenStream] = [:]
    /// Writes that wait for the socket, oldest first.
    var waitingWrites = CircularBuffer<(stream: ConnectionStream, bytes: ByteBuffer)>()

    private var isReading = true
    /// The socket is connected. That a dial failed, who dials is told by the channel's future, which knows why.
    private var wasActive = false
    var closedWith: ConnectionError?
    var deadline: Scheduled<Void>?
    var idle: Scheduled<Void>?
    var tick: (at: Uptime, task: Scheduled<Void>)?

    init(settings: Settings, events: ConnectionEvents, metrics: SwarmMetrics, eventLoop: any EventLoop) {
        self.settings = settings
        self.events = events
        self.metrics = metrics
        self.eventLoop = eventLoop
        upgrade = ConnectionUpgrade(
            role: settings.role, keys: settings.keys, expecting: settings.expected,
            ephemeral: Curve25519.KeyAgreement.PrivateKey())
    }

    var now: Uptime { Uptime(milliseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds / 1_000_000)) }

    /// Of this handler, for closures that run on its loop.
    var bound: NIOLoopBound<ConnectionHandler> { NIOLoopBound(self, eventLoop: eventLoop) }

    // MARK: The channel's side

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadline = after(settings.handshakeTimeout) { $0.finish(ConnectionError(.timedOut)) }
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if wasActive { finish(ConnectionError(.closedByPeer)) }
        deadline?.cancel()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(ConnectionError(.closedByPeer))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(ConnectionError(ConnectionError.Reason(error)))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        metrics.received(bytes.readableBytes)
        guard closedWith == nil else { return }
        if incoming.readableBytes == 0 { incoming = bytes } else { incoming.writeBuffer(&bytes) }
        advance()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, closedWith == nil { resumeWrites() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: From bytes to streams

    private func begin() {
        guard !wasActive, closedWith == nil else { return }
        wasActive = true
        do throws(UpgradeError) {
            if let first = try upgrade?.begin() { send(first) }
        } catch {
            finish(ConnectionError(upgrade: error))
        }
    }

    private func advance() {
        do throws(UpgradeError) {
            if upgrade != nil { try negotiate() }
            if session != nil { try receive() }
        } catch {
            finish(session == nil ? ConnectionError(upgrade: error) : ConnectionError(.tampered(error)))
        }
        if incoming.readableBytes == 0 { incoming = ByteBuffer() } else { incoming.discardReadBytes() }
    }

    private func negotiate() throws(UpgradeError) {
        guard let progress = try upgrade?.receive(&incoming) else { return }
        if let bytes = progress.send { send(bytes) }
        guard let established = progress.established else { return }
        guard established.remote != settings.keys.peerID else { return finish(ConnectionError(.ourselves)) }
        let endpoint = context?.channel.remoteAddress?.multiaddr
        guard let address = settings.address ?? endpoint else {
            return finish(ConnectionError(.closedByPeer))
        }
        upgrade = nil
        deadline?.cancel()
        secure = established.channel
        session = YamuxSession(role: settings.role, configuration: settings.muxer)
        // What came behind the last message of the handshake is still in `incoming`, or handed back.
        var rest = established.leftover
        rest.writeBuffer(&incoming)
        incoming = rest
        plaintext = established.plaintext
        let connection = Connection(
            number: settings.number, role: settings.role, remote: established.remote,
            remoteKey: established.remoteKey, remoteAddress: address, endpoint: endpoint, handler: bound)
        self.connection = connection
        if let refusal = events.established(connection) {
            self.connection = nil
            return finish(refusal)
        }
        countStreams()
    }

    private func receive() throws(UpgradeError) {
        guard var opened = try secure?.open(&incoming) else { return }
        if plaintext.readableBytes == 0 { plaintext = opened } else { plaintext.writeBuffer(&opened) }
        let directives = session?.receive(&plaintext, at: now) ?? []
        if plaintext.readableBytes == 0 { plaintext = ByteBuffer() } else { plaintext.discardReadBytes() }
        perform(directives)
    }

    // MARK: To the socket

    /// Seals what the session wants to send, and writes it: one flush for all that one event led to.
    func flush() {
        if outgoing.readableBytes > 0, secure != nil {
            var sealed = ByteBuffer()
            let clear = outgoing
            outgoing = ByteBuffer()
            do throws(UpgradeError) {
                try secure?.seal(clear, into: &sealed)
                send(sealed)
            } catch {
                finish(ConnectionError(.tampered(error)))
            }
        }
        reschedule()
        throttle()
    }

    private func send(_ bytes: ByteBuffer) {
        guard let context, bytes.readableBytes > 0 else { return }
        let count = bytes.readableBytes
        unsentBytes += count
        metrics.sent(count)
        let handler = bound
        context.writeAndFlush(wrapOutboundOut(bytes)).whenComplete { _ in
            handler.value.unsentBytes -= count
            handler.value.throttle()
        }
    }

    /// Leaves the socket alone while too much has come that nobody reads, or too much waits to be sent.
    private func throttle() {
        guard let context, closedWith == nil, let unreadBytes = session?.buffered else { return }
        // Once stopped, it begins again when half of it is gone. What users write does not count: two nodes that send each other
        // much must not both stop reading.
        let share = isReading ? 1 : 2
        let written = streams.count * ConnectionStream.pieceBytes
        let shouldRead =
            unreadBytes <= settings.unreadLimit / share && unsentBytes - written <= settings.unsentLimit / share
        guard shouldRead != isReading else { return }
        isReading = shouldRead
        context.channel.setOption(.autoRead, value: shouldRead).whenFailure { _ in }
    }
}
