import Kademlia
import Multiformats

/// Which of a store's memories may go. Of peers, all conditions must hold; peers in a k-bucket or its replacement cache
/// are never chosen.
public struct PruneRules: Hashable, Sendable {
    /// A condition that peers must meet to be pruned.
    public enum Condition: Hashable, Sendable {
        /// What a filter accepts.
        case matches(PeerFilter)
        /// Not heard of, nor used, since then.
        case notSeen(since: Instant)
        case neverAnswered
        /// Failed at least so many times since it last answered, as counted by its backoff.
        case failing(times: Int)
        /// Without an address that the store's scope admits.
        case unroutable
    }

    /// Empty: no peer is chosen by conditions.
    public var conditions: [Condition] = []
    /// Of the peers that are chosen (with no conditions: of all), so many stay, those that a node would miss most:
    /// ``Retention/rank(_:)`` says whom.
    public var keep: Int?
    /// Candidates that were not heard of since then go.
    public var candidatesNotSeenSince: Instant?
    /// Tombstones that were left before then go: what they say of a peer is forgotten.
    public var tombstonesBefore: Instant?
    /// Values and providers of others that had expired by then go: what ``Store/sweepValues(at:)`` does.
    public var expiredBy: Instant?

    public init() {}

    public var isEmpty: Bool {
        !choosesPeers && candidatesNotSeenSince == nil && tombstonesBefore == nil && expiredBy == nil
    }

    var choosesPeers: Bool { !conditions.isEmpty || keep != nil }

    /// Whether a peer meets the conditions.
    func accept(_ record: PeerRecord, scope: Scope) -> Bool {
        conditions.allSatisfy { condition in
            switch condition {
            case .matches(let filter): filter.accepts(record)
            case .notSeen(let since): record.lastSeen < since
            case .neverAnswered: record.lastOK == nil
            case .failing(let times): (record.backoff?.failuresInARow ?? 0) >= times
            case .unroutable: !record.addresses.contains { scope.admits($0.address) }
            }
        }
    }

    /// Who goes first: the higher, the sooner.
    static func rank(_ record: PeerRecord, at now: Instant) -> UInt64 {
        let unseen = max(0, now.millisecondsSince(record.lastSeen))
        return Retention().rank(
            Retention.Facts(
                idleMilliseconds: unseen, onlineSinceSeen: unseen, onlineSinceOK: nil,
                hasAnswered: record.lastOK != nil, failuresInARow: record.backoff?.failuresInARow ?? 0))
    }
}

/// What was pruned, or would be.
public struct PruneReport: Hashable, Sendable {
    /// Peers that were looked at.
    public internal(set) var examined = 0
    /// Peers that went.
    public internal(set) var peers = 0
    /// Tombstones that they left.
    public internal(set) var tombstonesLeft = 0
    /// Peers that were chosen, and stay because they are in a k-bucket or its replacement cache.
    public internal(set) var contactsKept = 0
    /// Candidates and tombstones that went.
    public internal(set) var candidates = 0
    public internal(set) var tombstones = 0
    /// Values and providers that went.
    public internal(set) var expired = SweepReport()
    /// Rows that are damaged: left as they are.
    public internal(set) var damaged = 0

    /// All that went.
    public var removed: Int { peers + candidates + tombstones + expired.removed }
}

extension Tombstone {
    /// What a dropped peer leaves, so that gossip does not bring it back with a clean slate; nil of one that has done
    /// nothing to remember.
    public init?(of record: PeerRecord, at now: Instant) {
        guard let backoff = record.backoff else { return nil }
        self.init(
            key: record.key, droppedAt: now, streakMilli: backoff.streakMilli, lastClass: backoff.lastClass,
            notBefore: backoff.notBefore, waitMilliseconds: backoff.waitMilliseconds)
    }
}
