import KadStore
import Kademlia
import Multiformats

/// A node's decisions: routing table, lookups, failure memory, warm start and maintenance, joined with the store that
/// remembers them.
///
/// Synchronous, and driven from outside: each handler is told what happened and when, and answers with the ``Action``s to
/// carry out. It has no clock, no network and no randomness but a seeded generator, so one implementation runs in a node
/// and under a simulator's virtual clock. Whatever it decides on comes from the store, where the last reading already
/// counts every event that was recorded: a second process that forgives a peer is heeded at once.
///
/// Not for several threads at once: an actor, or one simulation, owns it.
public final class NodeEngine {
    public let store: Store
    public let identity: Identity
    public let configuration: EngineConfiguration

    /// The k-buckets. After a restart they are usable at once, and unverified.
    public internal(set) var table: RoutingTable

    var clock: ClockGuard
    var outage: OutageGuard
    var generator: SeededGenerator
    var calls = OpenCalls()
    var lookups: [LookupID: RunningLookup] = [:]
    var lastLookup: UInt64 = 0
    var warm: WarmStart?
    var upkeep: Upkeep
    var gossip: GossipQuota
    var throttle = Throttle()
    /// Peers whose breaker is half-open by this process's doing. Another one's trial did not survive: it counts as open.
    var trials: Set<Key> = []
    /// Peers that got a trial before their wait was over.
    var earlyTrials = EarlyTrials()
    /// Whom the person named who asks by way of this guest: they are asked first, whatever is known of them.
    var named: Set<Key> = []
    let screen: ReplyScreen

    /// The round-trip times of all peers together: the best guess for one that never answered. After a restart it rests
    /// on what contacts took before.
    public internal(set) var population = PopulationRTT()

    /// Successful calls since the start.
    public internal(set) var answers = 0
    public internal(set) var isLinkDown = false

    // Of the handler that runs.
    var now: Instant
    var uptime: Uptime
    var actions: [Action] = []
    private var announcedWake: Uptime?

    /// Restores what the store remembers of this identity. Reads the live table, the failures that are not settled yet, and
    /// the mark of time: nothing that grows with the number of peers.
    ///
    /// - Parameters:
    ///   - seed: of every draw. A node hands in one from the system's generator, a simulation its own.
    ///   - boot: what the system says of its boot.
    public init(
        store: Store, identity: Identity, configuration: EngineConfiguration = EngineConfiguration(), seed: UInt64,
        boot: Boot = .unknown, at time: Time
    ) throws(StoreError) {
        self.store = store
        self.identity = identity
        self.configuration = configuration
        generator = SeededGenerator(seed: seed)
        let mark = try store.clock()
        clock = ClockGuard(mark: mark, boot: (boot.id, boot.at))
        uptime = time.uptime
        now = clock.read(wall: time.wall, uptime: time.uptime)
        let tableConfiguration = configuration.table ?? store.tableConfiguration
        if configuration.usesHistory {
            table = try store.routingTable(of: identity, configuration: tableConfiguration).table
        } else {
            table = RoutingTable(localKey: identity.peer.key, configuration: tableConfiguration)
        }
        if configuration.usesHistory { population = try PopulationRTT(contactsOf: table, in: store) }
        outage = try Self.restoredGuard(store, configuration)
        screen = ReplyScreen(limits: configuration.replies, store: store, localKey: identity.peer.key)
        gossip = GossipQuota(limits: configuration.gossip)
        upkeep = try Upkeep(store: store, configuration: configuration, lastMark: mark?.highWater, now: now, time: time)
    }

    // MARK: Handlers

    /// Begins: plans the warm start, and asks for bootstrap peers where the store knows nobody.
    public func start(at time: Time) -> [Action] {
        handle(time) {
            guard configuration.maintains else { return }
            beginWarmStart()
        }
    }

    /// Does what is due. Harmless at any other time.
    public func tick(at time: Time) -> [Action] {
        handle(time) {
            // A timer that fired early must be set again, though what is next has not changed.
            announcedWake = nil
            tickCalls()
            tickLookups()
            tickWarmStart()
            carryOut(outage.tick(at: now))
            tickUpkeep()
        }
    }

    /// The outcome of a call. One that was cancelled or has run out is passed over.
    public func completed(_ id: CallID, _ outcome: CallOutcome, at time: Time) -> [Action] {
        handle(time) { complete(id, outcome) }
    }

    /// A peer sent us a request: it lives, though whether it can be dialled is open.
    ///
    /// - Parameter serves: whether it is known to answer requests itself. Of one that may only ask nothing is kept, and it does
    ///   not enter the table; where it is a contact already, it has shown that it lives.
    public func heard(from id: PeerID, address: Multiaddr?, serves: Bool = true, at time: Time) -> [Action] {
        handle(time) {
            guard let peer = stranger(id) else { return }
            hear(from: peer, at: address.map { [$0] } ?? [], in: address.flatMap(group), serves: serves)
        }
    }

    /// A peer told what it is and where it listens (libp2p's identify).
    ///
    /// - Parameters:
    ///   - remote: where its connection comes from, or went to: whose share of what is remembered it uses. What it tells of its
    ///     addresses is for others to dial, and may be made up.
    ///   - serves: whether the DHT's protocol is among those that it speaks.
    public func identified(
        _ id: PeerID, agent: String?, protocols: [String], addresses: [Multiaddr], from remote: Multiaddr? = nil,
        serves: Bool, at time: Time
    ) -> [Action] {
        handle(time) {
            guard let peer = stranger(id) else { return }
            let addresses = Array(addresses.prefix(configuration.replies.addressesPerPeer))
            let group = (remote ?? addresses.first(where: store.scope.admits)).flatMap(group)
            hear(from: peer, at: addresses, in: group, serves: serves)
            if serves { tryEarly(peer) }
            guard let record = recall(peer.key), record.agent != agent || Set(record.protocols) != Set(protocols),
                gossip.takes(1, from: .names(group), at: uptime)
            else { return }
            remember(.identified(peer, agent: agent, protocols: protocols, at: now))
        }
    }

    /// A peer by its id; nil when it is none of this network, or this node itself.
    private func stranger(_ id: PeerID) -> Peer? {
        guard store.network.idEncoding.admits(id), let peer = try? store.peer(id), peer.key != identity.peer.key
        else { return nil }
        return peer
    }

    /// - Parameter sender: the group that the news itself came from.
    private func hear(from peer: Peer, at addresses: [Multiaddr], in sender: NetworkGroup?, serves: Bool) {
        guard serves || table.liveContact(peer.key) != nil else { return }
        let addresses = addresses.filter(store.scope.admits)
        if !upkeep.heardLately(peer.key, addresses, at: uptime) {
            guard recall(peer.key) != nil || gossip.takesStranger(in: sender, at: uptime) else { return }
            upkeep.hear(peer.key, addresses)
            remember(.heard(peer, addresses: addresses, source: sourceName(peer), at: now))
        }
        carryOut(table.heard(from: peer.key, in: addresses.first.flatMap(group), at: now))
    }

    /// Peers from outside: a bootstrap list, a command. They are remembered, with the addresses that the
    /// store's scope admits, and enter the table unverified.
    public func introduce(_ peers: [(PeerID, [Multiaddr])], source: String, at time: Time) -> [Action] {
        handle(time) {
            for (id, addresses) in peers {
                guard let peer = try? store.peer(id), peer.key != identity.peer.key else { continue }
                let addresses = addresses.filter(store.scope.admits)
                remember(.heard(peer, addresses: addresses, source: source, at: now))
                carryOut(table.heard(of: peer.key, in: addresses.first.flatMap(group), at: now))
                if configuration.isGuest { named.insert(peer.key) }
            }
            guard configuration.maintains, !peers.isEmpty else { return }
            beginLookup(LookupTarget(identity.peer), configuration.lookup, for: .table(bucket: nil))
        }
    }

    /// The system says that the uplink is gone, or back: what fails meanwhile says nothing of the peers.
    public func link(isDown: Bool, at time: Time) -> [Action] {
        handle(time) {
            isLinkDown = isDown
            if isDown { carryOut(outage.linkDown(at: now)) } else { tickWarmStart() }
        }
    }

    /// Ends: cancels what is under way and records what only memory holds. The store still wants its flush.
    public func stop(at time: Time) -> [Action] {
        handle(time) {
            for id in lookups.keys.sorted() { cancelLookup(id) }
            for id in calls.ids { cancelCall(id) }
            warm = nil
            recordState(isFinal: true)
        }
    }

    /// Records what only memory holds (changed buckets, marks of time): what a flush of the store then makes permanent.
    public func persist(at time: Time) -> [Action] {
        handle(time) { recordState(isFinal: true) }
    }

    /// The node itself called the store, and that failed: told once like everything else that fails there, until it works
    /// again.
    public func storeFailed(_ error: StoreError, at time: Time) -> [Action] {
        handle(time) { upkeep.health.failed(error, &actions) }
    }

    // MARK: Around every handler

    func handle(_ time: Time, _ body: () -> Void) -> [Action] {
        uptime = max(uptime, time.uptime)
        now = clock.read(wall: time.wall, uptime: uptime)
        actions = []
        body()
        if let wake = nextWake, wake != announcedWake {
            announcedWake = wake
            actions.append(.wake(wake))
        }
        return actions
    }

    private var nextWake: Uptime? {
        [
            calls.nextTick, lookups.values.compactMap(\.lookup.nextTick).min(), isLinkDown ? nil : warm?.nextTick,
            upkeep.nextTick(isLinkDown: isLinkDown),
            outage.nextTick(at: now).map { uptime.advanced(byMilliseconds: max(0, $0.millisecondsSince(now))) },
        ]
        .compactMap { $0 }.min()
    }

    /// Queues an event. A store that cannot take it is reported, and the node goes on in memory.
    ///
    /// - Parameter isKept: whether it will be told again where the store cannot take it now.
    /// - Returns: whether the store took it.
    @discardableResult
    func remember(_ event: StoreEvent, isKept: Bool = false) -> Bool {
        do {
            try store.record(event)
            return true
        } catch {
            upkeep.health.refused(error, isLost: !isKept, &actions)
            return false
        }
    }

    /// What is known of a peer; nil when nothing is, or the store cannot be read.
    func recall(_ key: Key) -> PeerRecord? {
        do {
            return try store.record(of: key)
        } catch {
            upkeep.health.failed(error, &actions)
            return nil
        }
    }

    func group(_ address: Multiaddr) -> NetworkGroup? { address.networkGroup(private: store.scope == .private) }

    /// How a peer is named as the source of what it told.
    func sourceName(_ peer: Peer) -> String { store.network.idEncoding.encode(peer.id) }
}
