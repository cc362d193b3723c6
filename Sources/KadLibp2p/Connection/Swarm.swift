import Kademlia
import Logging
import Multiformats
import NIOCore
import NIOPosix
import Synchronization

/// All connections of a node: dials, listens, and hands streams out.
///
///     let swarm = Swarm(keys: try KeyPair())
///     swarm.handle("/echo/1.0.0") { stream in
///         while let bytes = try await stream.read() { try await stream.write(bytes) }
///     }
///     try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
///     let stream = try await swarm.stream(to: peer, at: addresses, speaking: ["/echo/1.0.0"])
///
/// TCP, Noise, Yamux. Connections are shared by all streams of a peer, whoever dialled, and closed when idle. Identify and
/// ping are served and used without further ado.
public final class Swarm: Sendable {
    /// Serves one protocol: called for each stream that another node opens with it. The stream is reset when it throws, and
    /// closed when it returns.
    public typealias StreamHandler = @Sendable (any MessageStream) async throws -> Void

    public let keys: KeyPair
    public let configuration: SwarmConfiguration

    let group: any EventLoopGroup
    let logger: Logger
    let metrics = SwarmMetrics()
    let ownRecord: OwnRecord
    let state: Mutex<State>

    struct State {
        var table: ConnectionTable
        var handlers: [String: @Sendable (ConnectionStream) async throws -> Void] = [:]
        var dials: [PeerID: SharedDial] = [:]
        var listeners: [Listener] = []
        /// The channels of all connections, secured or not, by number: until they are closed.
        var channels: [UInt64: any Channel] = [:]
        /// What runs for streams and connections: a shutdown cancels it.
        var tasks: [UInt64: Task<Void, Never>] = [:]
        /// Streams that are served, by peer.
        var served: [PeerID: Int] = [:]
        var servedCount = 0
        /// Of what this node said of itself last; nil when it has said nothing yet.
        var toldSequence: UInt64?
        var identified: [@Sendable (IdentifiedPeer) async -> Void] = []
        var connected: [@Sendable (ConnectedPeer) -> Void] = []
        /// Those that wait for the shutdown's end.
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isShutDown = false
        private var lastNumber: UInt64 = 0

        init(table: ConnectionTable) { self.table = table }

        mutating func nextNumber() -> UInt64 {
            lastNumber += 1
            return lastNumber
        }

        var isEmpty: Bool { channels.isEmpty && tasks.isEmpty && listeners.isEmpty }

        mutating func wakeIfEmpty() {
            guard isShutDown, isEmpty else { return }
            for continuation in waiting { continuation.resume() }
            waiting = []
        }
    }

    struct Listener {
        let channel: any Channel
        let address: Multiaddr
    }

    /// - Parameters:
    ///   - keys: the node's own.
    ///   - group: the event loops; shut down by whoever made it, after ``shutdown()`` has returned.
    ///   - logger: silent when none is handed in.
    public init(
        keys: KeyPair, configuration: SwarmConfiguration = SwarmConfiguration(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger? = nil
    ) {
        self.keys = keys
        self.configuration = configuration
        self.group = group
        ownRecord = OwnRecord(keys: keys)
        self.logger = logger ?? .silent
        let limits = ConnectionTable.Limits(
            connections: configuration.connectionLimit,
            perAddress: configuration.scope == .public ? configuration.connectionsPerAddress : nil,
            pendingHandshakes: configuration.pendingHandshakeLimit, perPeer: configuration.connectionsPerPeer)
        state = Mutex(State(table: ConnectionTable(limits: limits)))
        serveIdentify()
        servePing()
    }

    deinit {
        state.withLock { state in
            for listener in state.listeners { listener.channel.close(promise: nil) }
            for channel in state.channels.values { channel.close(promise: nil) }
        }
    }

    public var peerID: PeerID { keys.peerID }

    /// Secured connections.
    public var connectionCount: Int { state.withLock { $0.table.count } }

    /// What this node says of itself to somebody who is there: the same in every protocol. When it is seen to have changed, all
    /// who are connected are told.
    @discardableResult
    func contact(toldTo peer: Multiaddr) -> OwnContact {
        let contact = ownRecord.told(to: peer) { configuration.announced + listenAddresses }
        let isNews = state.withLock { state in
            defer { state.toldSequence = max(state.toldSequence ?? 0, contact.sequence) }
            return state.toldSequence.map { $0 < contact.sequence } ?? false
        }
        if isNews { pushIdentity() }
        return contact
    }

    /// The protocols that are served.
    public var protocols: [String] { state.withLock { $0.handlers.keys.sorted() } }

    /// Serves a protocol from now on, in place of what served it before. Peers that are connected are told of a new one.
    public func handle(_ protocol: String, _ handler: @escaping StreamHandler) {
        let isNew = state.withLock { $0.handlers.updateValue(handler, forKey: `protocol`) == nil }
        if isNew { pushIdentity() }
    }

    /// Serves a protocol of the swarm's own, which may know the connection.
    func handleInternally(
        _ protocol: String, _ handler: @escaping @Sendable (ConnectionStream) async throws -> Void
    ) {
        state.withLock { $0.handlers[`protocol`] = handler }
    }

    /// Calls `body` whenever a peer has said what it is: soon after a connection is made, and when it has changed. Until it
    /// returns, the stream on which the peer said so is not closed: a peer says no more than is taken.
    public func onIdentified(_ body: @escaping @Sendable (IdentifiedPeer) async -> Void) {
        state.withLock { $0.identified.append(body) }
    }

    /// Calls `body` whenever a connection is secured. It must not wait.
    public func onConnected(_ body: @escaping @Sendable (ConnectedPeer) -> Void) {
        state.withLock { $0.connected.append(body) }
    }

    /// Opens a stream to a peer, over the connection that there is or a new one.
    ///
    /// - Parameters:
    ///   - addresses: tried in their order, the first that works is taken. Where there is a connection, they may be empty.
    ///   - protocols: proposed in their order.
    /// - Throws: ``ConnectionError`` with the address where one is to blame.
    public func stream(
        to peer: PeerID, at addresses: [Multiaddr], speaking protocols: [String]
    ) async throws(ConnectionError) -> any MessageStream {
        try await connectionStream(to: peer, at: addresses, speaking: protocols)
    }

    func connectionStream(
        to peer: PeerID, at addresses: [Multiaddr], speaking protocols: [String]
    ) async throws(ConnectionError) -> ConnectionStream {
        // A connection that falls idle as it is chosen, or died unseen, is no reason to give up: the second one is new.
        var stale: Connection?
        while true {
            let (connection, isNew) = try await connect(to: peer, at: addresses, except: stale)
            do throws(ConnectionError) {
                return try await open(on: connection, isNew: isNew, speaking: protocols)
            } catch {
                // One that does not even answer a proposal is no good for the next caller either.
                if error.isOfConnection || error.reason == .timedOut { retire(connection) }
                guard !isNew, stale == nil, error.isOfConnection, !addresses.isEmpty, !Task.isCancelled else {
                    // Of a connection that came in nothing is known but a passing port.
                    throw ConnectionError(
                        error.reason, at: connection.role == .dialer ? connection.remoteAddress : nil)
                }
                stale = connection
            }
        }
    }

    func open(
        on connection: Connection, isNew: Bool = false, speaking protocols: [String]
    ) async throws(ConnectionError) -> ConnectionStream {
        let stream = try await connection.open(isNew: isNew)
        _ = try await stream.agree(as: .dialer, on: protocols, within: configuration.negotiationTimeout)
        metrics.openedStream()
        return stream
    }
}

extension Logger {
    /// Where nobody wants to read it.
    static var silent: Logger { Logger(label: "kadstore.swarm") { _ in SwiftLogNoOpLogHandler() } }
}
