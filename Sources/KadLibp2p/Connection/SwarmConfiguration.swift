import KadStore
import Multiformats

/// Limits and times of a ``Swarm``. The defaults suit a node of the public DHT on a small machine.
public struct SwarmConfiguration: Sendable {
    /// Where the node lives. In a private network every peer may share one address.
    public var scope: Scope
    /// What identify tells of the software.
    public var agent = "kadstore"
    /// Where others are told that the node is, beside where it listens: behind a router it knows that from nobody else.
    public var announced: [Multiaddr] = []

    /// How long a connection may take from the first packet until it is secured and multiplexed: all of it, so that a peer
    /// which sends a byte a second gets no longer.
    public var handshakeTimeout: Duration = .seconds(10)
    /// How long one dial may take over all addresses of the peer; each has its share.
    public var dialTimeout: Duration = .seconds(10)
    /// How long the two ends of a stream may take to agree on a protocol.
    public var negotiationTimeout: Duration = .seconds(10)
    /// How long identify may take on a new connection.
    public var identifyTimeout: Duration = .seconds(10)
    /// After this time without streams a connection is closed. A DHT asks a peer again within a lookup, or not for minutes.
    public var idleTimeout: Duration = .seconds(60)
    /// How long a stream may stay half open after our side has finished with it.
    public var lingerTimeout: Duration = .seconds(10)
    /// How long ``Swarm/shutdown()`` waits for what it ended.
    public var shutdownTimeout: Duration = .seconds(5)

    /// The most connections. Beyond it the one that has been idle longest makes room; when none is idle, no more are accepted.
    public var connectionLimit = 512
    /// The most connections that are accepted from one IPv4 address or IPv6 /56, in a public network. Addresses that are not of
    /// the public internet are exempt.
    public var connectionsPerAddress = 16
    /// The most connections that are accepted from one peer. Beyond it its own oldest makes room; peers need one, and two when
    /// both dial at once.
    public var connectionsPerPeer = 8
    /// The most accepted connections that are not secured yet. Each costs a few key operations. Beyond it the address with most
    /// of them gives up its oldest for one that has fewer.
    public var pendingHandshakeLimit = 64
    /// The most streams that one peer may have open to us, over all its connections, when there are no others: of what
    /// others leave of ``streamLimit``, a peer has the same part.
    public var streamsPerPeer = 32
    /// The most streams of all peers that are served at one time.
    public var streamLimit = 1_024
    /// Bytes that have come over one connection and that nobody has read yet, beyond which its socket is left alone. The
    /// multiplexer resets streams that bring more than twice of it.
    public var unreadLimit = 2 << 20
    /// Bytes that wait to be sent on one connection beyond what its users write, beyond which nothing more is read from it:
    /// every byte read may make us answer.
    public var unsentLimit = 1 << 20

    public init(scope: Scope = .public) { self.scope = scope }
}
