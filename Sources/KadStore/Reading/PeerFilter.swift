import Kademlia
import Multiformats

/// Which peers are wanted. A value rather than a closure: it is evaluated row by row inside a read transaction, where
/// no caller's code may run, and only the columns that it asks for are read.
public indirect enum PeerFilter: Hashable, Sendable {
    case all
    case not(PeerFilter)
    case every([PeerFilter])
    case any([PeerFilter])
    /// Heard of at or after this.
    case seen(since: Instant)
    /// Answered at or after this.
    case answered(since: Instant)
    /// Has answered at all.
    case everAnswered
    /// Not waiting for a backoff to end. Its opposite, `.not(.dialable(at:))`, is to be backed off.
    case dialable(at: Instant)
    /// Its history says this. Asks for the peer's failures: a search of its own for each row.
    case standing(PeerRecord.Standing)
    /// Its circuit breaker is in this state; it is closed where nothing is remembered. A search of its own for each row.
    case breaker(BackoffState.Breaker)
    /// Has an address.
    case hasAddress
    /// Has an address of this group.
    case inGroup(NetworkGroup)
    /// Its agent contains this text.
    case agent(containing: String)
    /// Speaks this protocol.
    case speaks(String)
    /// Was first heard of from this source.
    case source(String)
    /// Shares exactly this many prefix bits with a key: a bucket of that key's table.
    case sharesPrefix(Int, with: Key)
    /// Is none of these.
    case excluding(Set<Key>)
}

extension PeerFilter {
    /// What a filter can ask of a peer.
    protocol Facts {
        var key: Key { get }
        var lastSeen: Instant { get }
        var lastOK: Instant? { get }
        var deadline: (notBefore: Instant?, wait: Int64) { get }
        var addresses: [Multiaddr] { get }
        func lastFailure() throws -> Instant?
        func breaker() throws -> BackoffState.Breaker
        func agent() throws -> String?
        func protocols() throws -> [String]
        func source() throws -> String?
    }

    func accepts(_ facts: some Facts) throws -> Bool {
        switch self {
        case .all: return true
        case .not(let filter): return try !filter.accepts(facts)
        case .every(let filters): return try filters.allSatisfy { try $0.accepts(facts) }
        case .any(let filters): return try filters.contains { try $0.accepts(facts) }
        case .seen(let since): return facts.lastSeen >= since
        case .answered(let since): return facts.lastOK.map { $0 >= since } ?? false
        case .everAnswered: return facts.lastOK != nil
        case .dialable(let now):
            let deadline = facts.deadline
            return BackoffState.remaining(notBefore: deadline.notBefore, wait: deadline.wait, at: now) == 0
        case .standing(let standing):
            return try PeerRecord.Standing(lastOK: facts.lastOK, lastFailure: facts.lastFailure()) == standing
        case .breaker(let breaker): return try facts.breaker() == breaker
        case .hasAddress: return !facts.addresses.isEmpty
        case .inGroup(let group):
            return facts.addresses.contains {
                $0.networkGroup(private: false) == group || $0.networkGroup(private: true) == group
            }
        case .agent(let text): return try facts.agent()?.contains(text) ?? false
        case .speaks(let name): return try facts.protocols().contains(name)
        case .source(let name): return try facts.source() == name
        case .sharesPrefix(let length, let key): return facts.key.commonPrefixLength(with: key) == length
        case .excluding(let keys): return !keys.contains(facts.key)
        }
    }

    /// Whether a record passes.
    public func accepts(_ record: PeerRecord) -> Bool {
        (try? accepts(RecordFacts(record: record))) ?? false
    }

    private struct RecordFacts: Facts {
        let record: PeerRecord

        var key: Key { record.key }
        var lastSeen: Instant { record.lastSeen }
        var lastOK: Instant? { record.lastOK }
        var deadline: (notBefore: Instant?, wait: Int64) {
            (record.backoff?.notBefore, record.backoff?.waitMilliseconds ?? 0)
        }
        var addresses: [Multiaddr] { record.addresses.map(\.address) }
        func lastFailure() -> Instant? { record.lastFailure }
        func breaker() -> BackoffState.Breaker { record.backoff?.breaker ?? .closed }
        func agent() -> String? { record.agent }
        func protocols() -> [String] { record.protocols }
        func source() -> String? { record.source }
    }
}
