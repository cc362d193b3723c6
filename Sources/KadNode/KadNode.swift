import KadEngine
import KadStore
import Kademlia
import Logging
import Multiformats
import ServiceLifecycle

/// A Kademlia node that remembers: the engine, driven by real clocks and a ``Transport``.
///
///     let store = try await Store.open("peers.db", mode: .create(.libp2p, .public))
///     let node = try await KadNode(store: store, id: id, transport: transport)
///     let group = ServiceGroup(services: [node], logger: logger)
///     async let running: Void = group.run()
///     for peer in try await node.closest(to: LookupTarget(key: key)) { print(peer) }
///
/// The table of the last life is usable at once; while the node runs, it is verified, refreshed and revalidated, and
/// everything learnt is in the store as it is learnt.
public actor KadNode: Service {
    public nonisolated let store: Store
    public nonisolated let identity: Identity

    let engine: NodeEngine
    let transport: any Transport
    let bootstrap: [(PeerID, [Multiaddr])]
    let logger: Logger
    let metrics = NodeMetrics()
    let time: SystemTime
    let validators: RecordValidators
    let content: ContentConfiguration
    var quota: QueryQuota

    var calls: [CallID: Task<Void, Never>] = [:]
    /// Cancelled calls whose transports have not returned yet.
    var ending: [CallID: Task<Void, Never>] = [:]
    var lookups: [LookupID: AsyncStream<LookupEvent>.Continuation] = [:]
    /// Who waits for the outcome of a call of its own.
    var asks: [CallID: CheckedContinuation<CallOutcome, Never>] = [:]
    /// What the node does that nobody waits for: publishing again, correcting.
    var errands: [Int: Task<Void, Never>] = [:]
    var lastErrand = 0
    var timer: Task<Void, Never>?
    /// Waits, at the end, for the calls that were cancelled.
    var whenEnded: CheckedContinuation<Void, Never>?
    /// How long the end waits for transports that were cancelled.
    var patience: Duration = .seconds(5)
    var phase = Phase.idle
    var warmth = Warmth()

    enum Phase { case idle, running, stopped }

    /// - Parameters:
    ///   - store: opened for writing, and closed by whoever opened it, after the node has ended.
    ///   - id: the node's own.
    ///   - bootstrap: whom to ask when the store knows too few.
    ///   - validators: of the values that are kept, found and published. Without any, there are none.
    ///   - serving: how much others may ask.
    ///   - logger: silent when none is handed in.
    /// - Throws: ``StoreError`` when what is remembered cannot be read, or the id is none of the store's network.
    public init(
        store: Store, id: PeerID, transport: any Transport,
        configuration: EngineConfiguration = EngineConfiguration(), bootstrap: [(PeerID, [Multiaddr])] = [],
        validators: RecordValidators = RecordValidators(), content: ContentConfiguration = ContentConfiguration(),
        serving: ServingLimits = ServingLimits(), logger: Logger? = nil
    ) async throws(StoreError) {
        try await self.init(
            store: store, id: id, transport: transport, configuration: configuration, bootstrap: bootstrap,
            validators: validators, content: content, serving: serving, logger: logger, time: SystemTime())
    }

    /// - Parameter time: with a wall clock of its own, for tests.
    init(
        store: Store, id: PeerID, transport: any Transport, configuration: EngineConfiguration,
        bootstrap: [(PeerID, [Multiaddr])], validators: RecordValidators, content: ContentConfiguration,
        serving: ServingLimits, logger: Logger?, time: SystemTime
    ) async throws(StoreError) {
        self.store = store
        self.time = time
        self.validators = validators
        self.content = content
        quota = QueryQuota(limits: serving)
        self.transport = transport
        self.bootstrap = bootstrap
        self.logger = logger ?? Logger(label: "kadstore.node") { _ in SwiftLogNoOpLogHandler() }
        // A guest has no table in the store, and need not be known there.
        identity =
            configuration.isGuest
            ? Identity(number: 0, peer: try store.peer(id), label: "", createdAt: .systemClock())
            : try await store.identity(id)
        engine = try NodeEngine(
            store: store, identity: identity, configuration: configuration,
            seed: UInt64.random(in: .min ... .max), boot: .current(), at: time.now)
        try introduceBootstrap()
    }

    /// Where the store knows nearly nobody, the bootstrap peers are candidates from the beginning: a lookup that is asked for
    /// before ``run()`` has begun finds its way.
    private func introduceBootstrap() throws(StoreError) {
        guard try store.peerCount() < WarmStart.Configuration().minimumAnswers else { return }
        for (id, addresses) in bootstrap {
            try store.record(.heard(try store.peer(id), addresses: addresses, source: "bootstrap", at: time.now.wall))
        }
    }

    // MARK: Life

    /// Runs the node until its task is cancelled or a graceful shutdown begins; then cancels what is under way, waits some
    /// seconds at most for the transport to return from it, and flushes the store.
    ///
    /// - Throws: ``StoreError`` when the last flush fails: what was recorded since the one before may be lost.
    public func run() async throws {
        guard phase == .idle else { return }
        phase = .running
        // Programs other than ours may have added or deleted peers: the cap rests on the number.
        do throws(StoreError) { try await store.recount() } catch { storeFailed(error) }
        if let log = store.keptLog {
            logger.warning(
                "a page of the log was damaged: what was committed behind it is not in the store",
                metadata: ["kept": "\(log)"])
        }
        logger.info("node started", metadata: ["contacts": "\(engine.table.count)"])
        perform(engine.start(at: time.now))
        await Self.untilShutdown()
        try await end()
    }

    /// Returns when the task is cancelled, or a graceful shutdown begins.
    private static func untilShutdown() async {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        await withTaskCancellationOrGracefulShutdownHandler {
            for await _ in stream {}
        } onCancelOrGracefulShutdown: {
            continuation.finish()
        }
    }

    private func end() async throws(StoreError) {
        guard phase != .stopped else { return }
        perform(engine.stop(at: time.now))
        phase = .stopped
        warmth.end(isWarm: false)
        timer?.cancel()
        for continuation in lookups.values { continuation.finish() }
        lookups = [:]
        giveUpAsks()
        for (id, call) in calls {
            call.cancel()
            ending[id] = call
        }
        calls = [:]
        await untilCallsEnded()
        // Nothing that they wait for is left.
        for errand in errands.values { errand.cancel() }
        for errand in errands.values { await errand.value }
        await timer?.value
        try await store.flush()
        logger.info("node stopped", metadata: ["contacts": "\(engine.table.count)"])
    }

    /// Nothing is left running: a transport may need a moment to notice that it was cancelled. One that never notices must
    /// not keep the node from its flush.
    private func untilCallsEnded() async {
        guard !ending.isEmpty else { return }
        let limit = Task { [patience] in
            do {
                try await Task.sleep(for: patience)
            } catch {
                return
            }
            self.stopWaiting()
        }
        await withCheckedContinuation { whenEnded = $0 }
        limit.cancel()
        guard !ending.isEmpty else { return }
        logger.warning("cancelled calls did not return", metadata: ["count": "\(ending.count)"])
    }

    func stopWaiting() {
        whenEnded?.resume()
        whenEnded = nil
    }

    /// Waits until everything that the node has learnt so far survives a loss of power.
    public func flush() async throws(StoreError) {
        perform(engine.persist(at: time.now))
        try await store.flush()
    }

    // MARK: What happens outside

    /// A peer sent a request.
    ///
    /// - Parameters:
    ///   - address: where it can be dialled, if it is known; not where its connection comes from.
    ///   - serves: whether it answers requests itself: only then does it enter store and table.
    public func heard(from id: PeerID, at address: Multiaddr? = nil, serves: Bool = true) {
        guard phase != .stopped else { return }
        perform(engine.heard(from: id, address: address, serves: serves, at: time.now))
    }

    /// A peer told what it is and where it listens (libp2p's identify).
    ///
    /// - Parameters:
    ///   - remote: the other end of its connection: what is remembered of strangers is limited for each network group.
    ///   - serves: whether the DHT's protocol is among those that it speaks. A peer that does not serve enters neither
    ///     store nor table; of one that is known there, what it told is remembered.
    public func identified(
        _ id: PeerID, agent: String?, protocols: [String], addresses: [Multiaddr], from remote: Multiaddr? = nil,
        serves: Bool
    ) {
        guard phase != .stopped else { return }
        perform(
            engine.identified(
                id, agent: agent, protocols: protocols, addresses: addresses, from: remote, serves: serves,
                at: time.now))
    }

    /// Peers that somebody handed in.
    public func introduce(_ peers: [(PeerID, [Multiaddr])], source: String) {
        guard phase != .stopped else { return }
        perform(engine.introduce(peers, source: source, at: time.now))
    }

    /// The system says that the uplink is gone, or back.
    public func linkChanged(isDown: Bool) {
        guard phase != .stopped else { return }
        logger.info("link changed", metadata: ["down": "\(isDown)"])
        perform(engine.link(isDown: isDown, at: time.now))
    }

    // MARK: Answers to others

    /// The contacts nearest to a key, for an answer to somebody else's question: live ones of the table, with their
    /// addresses.
    public func known(nearest key: Key, count: Int = 20) throws(StoreError) -> [FoundPeer] {
        try known(nearest: key, count: count, besides: [])
    }

    /// The live contacts of the routing table.
    public var contactCount: Int { engine.table.count }

    /// Calls whose transports have not returned yet.
    public var callsInFlight: Int { calls.count + ending.count }
}
