import KadStore
import Kademlia

/// How a node decides. The defaults are argued where each type is.
public struct EngineConfiguration: Sendable {
    public var lookup = Lookup.Configuration()
    public var failures = FailurePolicy()
    public var outage = OutageGuard.Configuration()
    public var warmStart = WarmStart.Configuration()
    public var retention = Retention()
    public var refresh = RefreshSchedule.Configuration()
    public var revalidation = Revalidation.Configuration()
    public var replies = ReplyScreen.Limits()
    public var gossip = GossipQuota.Limits()
    public var publishing = PublishingConfiguration()
    /// The routing table's settings; nil: those that fit the store (``Store/tableConfiguration``).
    public var table: RoutingTable.Configuration?
    /// Bytes that every refresh target's preimage begins with, in networks that hash identifiers. libp2p's peers expect a
    /// target that parses as a peer id.
    public var preimagePrefix: [UInt8] = [0x12, 0x20]
    /// Whether the store is believed at start. Off: a cold node, for comparison.
    public var usesHistory = true
    /// How long a question for life may take, in milliseconds: a peer that needs longer is no use to a lookup.
    public var pingMilliseconds: Int64 = 5_000
    /// How long a single request outside of lookups may take, in milliseconds: libp2p's query timeout.
    public var askMilliseconds: Int64 = 10_000
    /// How often marks of time, witnesses and changed buckets are recorded, in milliseconds.
    public var recordMilliseconds: Int64 = 1_000
    /// How often the mark of time is recorded: what a crash may take of the time that was online.
    public var clockMilliseconds: Int64 = 60_000
    /// Where a warm start and the revalidation run. Off: only lookups are run.
    public var maintains = true
    /// Whether this is a guest at another node's store: a command that asks the network once. Neither its table nor what it
    /// knows of its uplink take the place of the node's.
    public var isGuest = false

    public init() {}
}

/// What one lookup may have of its own.
public struct LookupOptions: Sendable {
    /// Overrides ``EngineConfiguration/lookup``.
    public var configuration: Lookup.Configuration?
    /// What the peers on the way are asked for.
    public var asking: LookupSubject

    public init(configuration: Lookup.Configuration? = nil, asking: LookupSubject = .peers) {
        self.configuration = configuration
        self.asking = asking
    }
}

/// What a lookup asks each peer for, beside the peers that it knows nearest to the target. What a peer has of it comes as
/// ``LookupEvent/found(_:_:)``.
public enum LookupSubject: Hashable, Sendable {
    /// Nothing else.
    case peers
    /// The value under the target's preimage.
    case value
    /// Who provides the target's preimage.
    case providers
}

/// What one single request may have of its own.
public struct AskOptions: Sendable {
    /// Whether the peer is dialled in spite of its backoff. What comes of it counts as ever.
    public var insists: Bool
    /// Overrides ``EngineConfiguration/askMilliseconds``.
    public var milliseconds: Int64?

    public init(insists: Bool = false, milliseconds: Int64? = nil) {
        self.insists = insists
        self.milliseconds = milliseconds
    }
}
