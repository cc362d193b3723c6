import Kademlia
import Multiformats

/// Which connections a swarm has, and which it takes: a pure value. The swarm keeps it behind its lock.
struct ConnectionTable {
    struct Limits: Hashable, Sendable {
        var connections: Int
        /// Accepted from one subscriber of the public internet; nil: no limit.
        var perAddress: Int?
        var pendingHandshakes: Int
        /// Accepted from one peer, whatever its addresses.
        var perPeer: Int = .max
    }

    private struct Handshake {
        /// Nil where it is not known.
        let ip: IPAddress?
        /// Whether it counts against ``Limits/perAddress``.
        let isLimited: Bool

        var limited: IPAddress? { isLimited ? ip : nil }
    }

    private struct Entry {
        let connection: Connection
        let ip: IPAddress?
        var streams = 0
        /// Counts up with every change of `streams`: the smallest is the one used least recently.
        var usedAt: UInt64
    }

    let limits: Limits
    private var entries: [UInt64: Entry] = [:]
    private var byPeer: [PeerID: [UInt64]] = [:]
    /// Accepted ones that are not secured yet, by number.
    private var pending: [UInt64: Handshake] = [:]
    /// Accepted ones, secured or not, by subscriber.
    private var accepted: [IPAddress: Int] = [:]
    private var clock: UInt64 = 0

    init(limits: Limits) { self.limits = limits }

    var count: Int { entries.count }

    var all: [Connection] { entries.values.map(\.connection) }

    /// The connection to use for a peer: the oldest, so that of two that were dialled at once the newer one falls idle.
    func connection(to peer: PeerID) -> Connection? {
        byPeer[peer]?.first.flatMap { entries[$0]?.connection }
    }

    // MARK: Accepting

    /// Makes room for a newcomer's handshake where too many are under way: the subscriber who has most of them gives up his
    /// oldest, if he has two more than the newcomer's. Silent sockets of one address then keep nobody out but each other.
    ///
    /// - Returns: the connection to close.
    /// - Complexity: O(handshakes) when there are as many as may be, else O(1).
    mutating func makeRoom(for ip: IPAddress?) -> UInt64? {
        guard pending.count >= limits.pendingHandshakes else { return nil }
        let ip = ip?.subscriber
        var counts: [IPAddress?: (count: Int, oldest: UInt64)] = [:]
        for (number, handshake) in pending {
            let known = counts[handshake.ip] ?? (0, number)
            counts[handshake.ip] = (known.count + 1, min(known.oldest, number))
        }
        guard let most = counts.values.max(by: { ($0.count, $1.oldest) < ($1.count, $0.oldest) }),
            most.count >= (counts[ip]?.count ?? 0) + 2
        else { return nil }
        abandon(most.oldest)
        return most.oldest
    }

    /// Whether a connection that has been accepted may stay for its handshake.
    ///
    /// - Parameter isLimited: whether ``Limits/perAddress`` binds it.
    /// - Complexity: O(n) when the table is full, else O(1).
    mutating func accept(_ number: UInt64, from ip: IPAddress?, isLimited: Bool = true) -> Bool {
        let handshake = Handshake(ip: ip?.subscriber, isLimited: isLimited)
        guard pending.count < limits.pendingHandshakes else { return false }
        if let ip = handshake.limited, let limit = limits.perAddress, accepted[ip, default: 0] >= limit { return false }
        guard entries.count < limits.connections || hasIdle else { return false }
        pending[number] = handshake
        if let ip = handshake.limited { accepted[ip, default: 0] += 1 }
        return true
    }

    private var hasIdle: Bool { entries.values.contains { $0.streams == 0 } }

    /// An accepted connection ended before it was secured.
    mutating func abandon(_ number: UInt64) {
        guard let handshake = pending.removeValue(forKey: number) else { return }
        release(handshake.limited)
    }

    private mutating func release(_ ip: IPAddress?) {
        guard let ip, let count = accepted[ip] else { return }
        accepted[ip] = count > 1 ? count - 1 : nil
    }

    // MARK: Secured connections

    /// A connection is secured.
    ///
    /// - Returns: the ones that have to make room: those that have been idle longest. Nil when the connection is refused, for
    ///   nothing is idle. Our own dials are not refused: the table then grows beyond its limit by what the node itself wants.
    /// - Complexity: O(n) when the table is full, else O(1).
    mutating func insert(_ connection: Connection) -> [Connection]? {
        guard connection.role == .dialer || entries.count < limits.connections || hasIdle else { return nil }
        clock += 1
        let ip = pending.removeValue(forKey: connection.number)?.limited
        entries[connection.number] = Entry(connection: connection, ip: ip, usedAt: clock)
        byPeer[connection.remote, default: []].append(connection.number)
        byPeer[connection.remote]?.sort()
        var leaving: [Connection] = []
        if connection.role == .listener, let excess = excess(beside: connection) {
            leaving.append(excess)
            remove(excess)
        }
        var surplus = entries.count - limits.connections
        guard surplus > 0 else { return leaving }
        let idle = entries.values.filter { $0.streams == 0 && $0.connection.number != connection.number }
        for entry in idle.sorted(by: { $0.usedAt < $1.usedAt }) where surplus > 0 {
            leaving.append(entry.connection)
            remove(entry.connection)
            surplus -= 1
        }
        return leaving
    }

    /// Of a peer that has connected too often, the one that has to go: the idle one that is oldest, or the oldest. Not the new
    /// one: who lost its connections to a crash or a new address must not wait until the old ones are found dead.
    private func excess(beside new: Connection) -> Connection? {
        guard let numbers = byPeer[new.remote], numbers.count > limits.perPeer else { return nil }
        let accepted = numbers.compactMap { entries[$0] }.filter {
            $0.connection.role == .listener && $0.connection.number != new.number
        }
        guard accepted.count >= limits.perPeer else { return nil }
        return (accepted.first { $0.streams == 0 } ?? accepted.first)?.connection
    }

    /// Takes it out of use for new streams; it stays while it lives.
    mutating func retire(_ connection: Connection) {
        byPeer[connection.remote]?.removeAll { $0 == connection.number }
        if byPeer[connection.remote]?.isEmpty == true { byPeer[connection.remote] = nil }
    }

    mutating func setStreams(_ count: Int, of connection: Connection) {
        guard entries[connection.number] != nil else { return }
        clock += 1
        entries[connection.number]?.streams = count
        entries[connection.number]?.usedAt = clock
    }

    /// - Returns: false when it was not there.
    @discardableResult
    mutating func remove(_ connection: Connection) -> Bool {
        guard let entry = entries.removeValue(forKey: connection.number) else { return false }
        release(entry.ip)
        retire(connection)
        return true
    }
}
