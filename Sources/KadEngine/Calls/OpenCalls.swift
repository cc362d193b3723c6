import KadStore
import Kademlia
import Multiformats

/// A call that is under way, or waits for its next try.
struct OpenCall {
    enum Purpose: Hashable {
        case lookup(LookupID)
        /// Somebody who asked this one peer.
        case direct
        /// Of the warm start's plan.
        case warmStart
        /// The table, or its upkeep, wants to know whether a contact lives.
        case contact
        /// A peer whose failure is held: to tell its death from our outage.
        case redial
        /// A good peer of another network group, asked beside the redials.
        case canary
    }

    let id: CallID
    let peer: Peer
    let addresses: [Multiaddr]
    let request: Request
    let purpose: Purpose
    let deadline: Uptime
    /// The share of the upkeep's pace that it uses.
    let lane: ProbePacer.Lane?
    /// Tries that failed, and what the last of them failed with.
    var failures = 0
    var lastFailure: FailureClass?
    /// When the next try is due; nil while one is under way.
    var retryAt: Uptime?
}

/// The calls that nobody has reported on yet: a few dozen at most.
struct OpenCalls {
    private var byID: [CallID: OpenCall] = [:]
    /// Contacts that are being asked already.
    private var contacts: Set<Key> = []
    private var last: UInt64 = 0

    var isEmpty: Bool { byID.isEmpty }
    /// In the order in which they were made.
    var ids: [CallID] { byID.keys.sorted() }

    subscript(id: CallID) -> OpenCall? { byID[id] }

    func isAsking(contact key: Key) -> Bool { contacts.contains(key) }

    mutating func nextID() -> CallID {
        last += 1
        return CallID(number: last)
    }

    mutating func insert(_ call: OpenCall) {
        byID[call.id] = call
        if call.purpose == .contact { contacts.insert(call.peer.key) }
    }

    mutating func remove(_ id: CallID) -> OpenCall? {
        guard let call = byID.removeValue(forKey: id) else { return nil }
        if call.purpose == .contact { contacts.remove(call.peer.key) }
        return call
    }

    mutating func wait(_ id: CallID, until retry: Uptime?) {
        byID[id]?.retryAt = retry
    }

    mutating func countFailure(_ id: CallID, _ failureClass: FailureClass) {
        byID[id]?.failures += 1
        byID[id]?.lastFailure = failureClass
    }

    /// The first moment at which one runs out, or is to be tried again.
    var nextTick: Uptime? { byID.values.map { min($0.deadline, $0.retryAt ?? $0.deadline) }.min() }

    func due(at now: Uptime) -> [OpenCall] {
        byID.values.filter { min($0.deadline, $0.retryAt ?? $0.deadline) <= now }.sorted { $0.id < $1.id }
    }

    /// Whether a call to the peer is under way. - Complexity: O(open calls)
    func isCalling(_ key: Key) -> Bool { byID.values.contains { $0.peer.key == key } }

    func find(_ key: Key, for purpose: OpenCall.Purpose) -> CallID? {
        byID.values.filter { $0.peer.key == key && $0.purpose == purpose }.map(\.id).min()
    }
}

/// Holds back all dialling for a while when our own machine is what fails (no descriptors, no buffers, no network).
struct Throttle {
    private(set) var until: Uptime?
    private var failures = 0

    /// 100 ms, doubling to 10 s while nothing succeeds in between.
    mutating func failed(at now: Uptime) {
        until = now.advanced(byMilliseconds: min(10_000, 100 << Int64(min(failures, 7))))
        failures += 1
    }

    mutating func succeeded() {
        until = nil
        failures = 0
    }
}
