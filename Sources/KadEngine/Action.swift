import KadStore
import Kademlia
import Multiformats

/// What the engine wants done. Whoever drives it carries the actions out in their order.
public enum Action: Hashable, Sendable {
    /// Dial and ask; report with ``NodeEngine/completed(_:_:at:)``.
    case call(CallID, Call)
    /// Nobody waits for this call any more: let go of it. Its outcome need not be reported.
    case cancel(CallID)
    /// Something to tell whoever runs the lookup.
    case event(LookupID, LookupEvent)
    /// What became of a call that ``NodeEngine/ask(_:of:addresses:options:at:)`` made, told once: of what was answered, what
    /// is believed.
    case outcome(CallID, CallOutcome)
    /// Tell the network again of something of our own; report with ``NodeEngine/published(_:at:)``.
    case publish(Publication)
    /// Drop values and providers that had expired by then. Nothing is to be reported.
    case sweep(at: Instant)
    /// Call ``NodeEngine/tick(at:)`` then, and not later because of another action. The latest one counts.
    case wake(Uptime)
    /// Too few peers are known: hand in bootstrap peers with ``NodeEngine/introduce(_:source:at:)``.
    case bootstrap
    /// Something to count or to log.
    case note(Note)
}

/// What an operator may want to know, beyond the lookups' own events.
public enum Note: Hashable, Sendable {
    /// The warm start is over: how many of its probes were answered.
    case warmStartFinished(answered: Int, failed: Int)
    /// A peer's failures count now.
    case failureCounted(Peer, FailureClass)
    /// Failures were taken back: nothing else answered at that time, so the fault was ours.
    case failuresDiscarded(Int)
    /// Peers were dropped from the store.
    case dropped(Int)
    /// A peer's answer was refused.
    case badReply(Peer, ReplyFault)
    /// The store could not be read or written; the node goes on in memory.
    case storeFailed(StoreError)
    /// The store works again; so many observations could not be queued meanwhile, and are forgotten.
    case storeRecovered(lost: Int)
}

/// Names a lookup.
public struct LookupID: Hashable, Comparable, Sendable {
    let number: UInt64
    public static func < (left: LookupID, right: LookupID) -> Bool { left.number < right.number }
}

/// What a lookup goes through, in order; ``finished(_:_:closest:)`` is the last.
public enum LookupEvent: Hashable, Sendable {
    /// A peer was asked.
    case queried(Peer)
    /// A peer answered, and named so many sound peers.
    case answered(Peer, named: Int, rttMicroseconds: Int64)
    /// The answer of a peer, which was told just before, carried what was asked for.
    case found(Peer, ReplyContent)
    /// A peer did not answer, or not rightly.
    case failed(Peer, FailureClass)
    /// A peer is among the k nearest that are known now.
    case closer(Peer)
    /// The end, and the nearest peers that answered, nearest first.
    case finished(Lookup.FinishReason, LookupStatistics, closest: [FoundPeer])
}

/// A peer that answered a lookup.
public struct FoundPeer: Hashable, Sendable {
    public let peer: Peer
    /// In the order to dial in.
    public let addresses: [Multiaddr]

    public init(peer: Peer, addresses: [Multiaddr]) {
        self.peer = peer
        self.addresses = addresses
    }
}
