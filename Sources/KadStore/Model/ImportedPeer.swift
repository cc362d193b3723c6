import Kademlia
import Multiformats

/// What a foreign file says of one peer. Whatever it does not say stays as the store has it.
public struct ImportedPeer: Hashable, Sendable {
    public struct Address: Hashable, Sendable {
        public var address: Multiaddr
        public var firstSeen: Instant?
        public var lastSeen: Instant?
        public var lastOK: Instant?
        public var failures = 0

        public init(_ address: Multiaddr) { self.address = address }
    }

    public var id: PeerID
    public var addresses: [Address]
    public var firstSeen: Instant?
    public var lastSeen: Instant?
    public var lastOK: Instant?
    public var successes = 0
    public var rtt: RTTEstimate?
    public var daysSeen: UInt32 = 0
    public var agent: String?
    public var protocols: [String] = []
    public var source: String?
    public var failures: [FailureRecord] = []
    /// What the file says of waits and breakers. Filters ask it; no store takes it.
    public var backoff: BackoffState?

    public init(id: PeerID, addresses: [Address] = [], source: String? = nil) {
        self.id = id
        self.addresses = addresses
        self.source = source
    }
}

extension ImportedPeer {
    /// The record as the file states it, successes included: what filters are asked of.
    ///
    /// - Parameter now: stands for stamps that the file does not have.
    package func record(key: Key, at now: Instant) -> PeerRecord {
        var record = PeerRecord(
            peer: Peer(id: id, key: key), firstSeen: firstSeen ?? lastSeen ?? now, source: source)
        record.merge(self, trustingHistory: true)
        record.backoff = backoff
        return record
    }
}
