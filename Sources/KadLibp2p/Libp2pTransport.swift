import KadEngine
import KadNode
import KadStore
import Kademlia
import Logging
import Multiformats

/// How a node reaches others in libp2p networks: `/ipfs/kad/1.0.0` over the streams of a ``Swarm``.
///
/// Each request has a stream of its own, which both ends close after one answer: servers hold a handler for every stream that
/// stays open (py-libp2p has twelve).
///
/// A lookup needs a target with its preimage: peers hash what they are asked for. One without fails at once with `cancelled`,
/// which speaks against nobody.
public final class Libp2pTransport: Transport {
    public struct Configuration: Hashable, Sendable {
        /// The most requests that are under way with one peer; others wait for their turn. A server has few handlers for all its
        /// peers, and resets what goes beyond.
        public var requestsPerPeer = 4
        /// How long a peer may take to close the stream after it was told of a provider. py-libp2p answers, go-libp2p only
        /// closes; who does neither has still been told.
        public var providerGrace: Duration = .seconds(2)

        public init() {}
    }

    typealias Open = @Sendable (PeerID, [Multiaddr]) async throws(ConnectionError) -> any MessageStream

    let configuration: Configuration
    private let open: Open
    /// What we say of ourselves on a stream.
    private let sender: @Sendable (any MessageStream) -> OwnContact
    private let records = SenderRecords()
    private let turns: Turns
    private let logger: Logger

    /// - Parameter swarm: whose connections are used. It is listened on, and shut down, by whoever made it.
    public convenience init(swarm: Swarm, configuration: Configuration = Configuration()) {
        self.init(configuration: configuration, logger: swarm.logger) { stream in
            swarm.contact(toldTo: stream.remoteAddress)
        } open: { (peer, addresses) throws(ConnectionError) in
            try await swarm.stream(to: peer, at: addresses, speaking: [KadProtocol.id])
        }
    }

    init(
        configuration: Configuration = Configuration(), logger: Logger = Logger.silent,
        sender: @escaping @Sendable (any MessageStream) -> OwnContact, open: @escaping Open
    ) {
        self.configuration = configuration
        self.sender = sender
        self.open = open
        self.logger = logger
        turns = Turns(limit: configuration.requestsPerPeer)
    }

    public func send(
        _ request: Request, to peer: Peer, at addresses: [Multiaddr]
    ) async throws(TransportError) -> Reply {
        guard await turns.take(peer.id) else { throw TransportError(.cancelled) }
        defer { turns.giveBack(peer.id) }
        let stream: any MessageStream
        do throws(ConnectionError) {
            stream = try await open(peer.id, addresses)
        } catch {
            logger.debug(
                "no stream",
                metadata: [
                    "peer": "\(PeerIDEncoding.libp2p.encode(peer.id))", "class": "\(error.failureClass.name)",
                    "reason": "\(error)",
                ])
            throw TransportError(error.failureClass, at: error.address)
        }
        guard let message = KadMessage(request, to: peer.id, from: sender(stream)) else {
            stream.reset()
            throw TransportError(.cancelled)
        }
        do throws(KadFault) {
            let (named, content) = try await exchange(message, for: request, on: stream)
            let address = stream.isDialled ? stream.remoteAddress.withoutPeerID : nil
            let origin = stream.endpoint.withoutPeerID
            return Reply(address: address, origin: origin == address ? nil : origin, named: named, content: content)
        } catch {
            stream.reset()
            logger.debug(
                "request failed",
                metadata: [
                    "peer": "\(PeerIDEncoding.libp2p.encode(peer.id))", "address": "\(stream.remoteAddress)",
                    "class": "\(error.failureClass.name)", "reason": "\(error)",
                ])
            throw TransportError(error.failureClass)
        }
    }

    /// One request and its answer. Whoever calls resets the stream when it fails.
    private func exchange(
        _ message: KadMessage, for request: Request, on stream: any MessageStream
    ) async throws(KadFault) -> (named: [NamedPeer], content: ReplyContent) {
        var channel = MessageChannel(stream)
        try await channel.write(message)
        await stream.closeWriting()
        if case .addProvider = request { return try await farewell(request, &channel) }
        guard let bytes = try await channel.read(limit: request.answerLimit) else { throw .ended }
        return try answer(bytes, to: request, from: stream.remote)
    }

    /// Waits for what a peer does when it was told of a provider: answer, close, or neither. Only a reset says that it refused.
    private func farewell(
        _ request: Request, _ channel: inout MessageChannel
    ) async throws(KadFault) -> (named: [NamedPeer], content: ReplyContent) {
        let grace = StreamDeadline(channel.stream, after: configuration.providerGrace)
        defer { grace.cancel() }
        do throws(KadFault) {
            guard let bytes = try await channel.read(limit: request.answerLimit) else { return ([], .none) }
            return try answer(bytes, to: request, from: channel.stream.remote)
        } catch {
            if case .connection = error, grace.hasPassed, !Task.isCancelled { return ([], .none) }
            throw error
        }
    }

    private func answer(
        _ bytes: [UInt8], to request: Request, from peer: PeerID
    ) throws(KadFault) -> (named: [NamedPeer], content: ReplyContent) {
        let message = try KadMessage.reading(bytes)
        try records.check(message, from: peer)
        return try message.answer(to: request)
    }
}
