import KadStore
import Kademlia
import Multiformats

/// Fills a node's store with what it is to remember when an experiment begins.
struct StorePreparation {
    let store: Store
    let identity: Identity
    let network: SimulatedNetwork
    /// The node whose store it is.
    let node: Int
    /// When the experiment begins: what is remembered was learnt in the day before.
    let now: VirtualTime

    /// Events between two flushes: the queue is bounded.
    private static let batch = 4_096

    /// The node's own contacts, in the table and in the store.
    ///
    /// - Parameter haveAnswered: each of them answered once, the dead ones before they died. Otherwise they are hearsay.
    func rememberContacts(haveAnswered: Bool) async throws {
        var table = RoutingTable(localKey: identity.peer.key, configuration: store.tableConfiguration)
        for contact in network.contacts(of: node, at: now).joined() {
            guard let peer = try peer(contact) else { continue }
            let group = network.address(of: contact).networkGroup(private: false)
            try hear(contact, peer)
            if haveAnswered {
                try answer(contact, peer)
                _ = table.answered(peer.key, from: group, at: moment(contact))
            } else {
                _ = table.heard(of: peer.key, in: group, at: moment(contact))
            }
        }
        for snapshot in table.snapshot() { try store.record(.bucket(snapshot, identity: identity.number)) }
        try await store.flush()
    }

    /// Peers that answered once: each of the network with a chance of `permille` in a thousand.
    func rememberAnswers(permille: Int) async throws {
        var count = 0
        for other in 0..<network.count
        where other != node && network.population.draw(of: other, .knowledge)[0].happens(permille: permille) {
            guard let peer = try peer(other) else { continue }
            try hear(other, peer)
            try answer(other, peer)
            count += 1
            if count.isMultiple(of: Self.batch) { try await store.flush() }
        }
        try await store.flush()
    }

    /// Failures of dead peers, their backoff still running: of each dead one with a chance of `permille` in a thousand.
    /// How often each was tried in vain is drawn evenly from 2 to 6 times.
    func rememberFailures(permille: Int) async throws {
        var count = 0
        for other in 0..<network.count where other != node && !network.isLive(other, at: now) {
            let draw = network.population.draw(of: other, .knowledge)
            guard draw[1].happens(permille: permille), let peer = try peer(other) else { continue }
            let streak = 2 + draw[2].below(5)
            let wait = min(6 * 3_600_000, Int64(60_000) << Int64(streak))
            let failedAt = Machine.wall(at: now).advanced(byMilliseconds: -Int64(draw[3].below(UInt64(wait / 4))))
            try hear(other, peer)
            try store.record(.failed(peer, address: network.address(of: other), .timeout, at: failedAt))
            let isOpen = streak >= 5
            try store.record(
                .backoff(
                    peer,
                    BackoffState(
                        streakMilli: Int64(streak) * 1_000, streakAt: failedAt, lastClass: .timeout,
                        notBefore: failedAt.advanced(byMilliseconds: wait), waitMilliseconds: wait,
                        outcomes: (1 << UInt32(streak)) - 1, outcomeCount: streak, breaker: isOpen ? .open : .closed,
                        openings: isOpen ? 1 : 0, openedAt: isOpen ? failedAt : nil)))
            count += 1
            if count.isMultiple(of: Self.batch) { try await store.flush() }
        }
        try await store.flush()
    }

    private func peer(_ other: Int) throws -> Peer? {
        try network.id(of: other).map { try store.peer($0) }
    }

    private func hear(_ other: Int, _ peer: Peer) throws {
        let earlier = moment(other).advanced(byMilliseconds: -3_600_000)
        try store.record(.heard(peer, addresses: [network.address(of: other)], source: nil, at: earlier))
    }

    private func answer(_ other: Int, _ peer: Peer) throws {
        try store.record(
            .answered(
                peer, address: network.address(of: other), rtt: network.roundTrip(from: node, to: other),
                at: moment(other)))
    }

    /// When a peer was last heard of: drawn from the day before.
    private func moment(_ other: Int) -> Instant {
        let age = network.population.draw(of: other, .knowledge)[4].below(86_400_000)
        return Machine.wall(at: now).advanced(byMilliseconds: -Int64(age) - 60_000)
    }
}
