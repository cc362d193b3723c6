import KadEngine
import KadStore
import Kademlia
import Multiformats

/// One node of the network that runs the real engine over a real store, on a machine whose clock, uplink and life the
/// experiment holds in its hands.
///
/// Time goes on only in ``advance(to:)`` and ``lookup(_:options:)``: they take what happens in its order and hand it to
/// the engine, until there is nothing left to do before then. Everything follows from the seed, the store's commits
/// included: they happen at virtual moments, never by the store's own timer.
final class ObservedNode {
    /// What happens to the node. Of an earlier life nothing arrives any more.
    private enum Happening {
        case outcome(CallID, CallOutcome, life: Int)
        case wake(Uptime, life: Int)
        case commit(life: Int)
    }

    struct Settings {
        var engine = EngineConfiguration()
        /// How often what was recorded is committed: what a crash takes at most.
        var commitInterval = Span.second
        /// Commits. Whoever wants to know what that takes puts a clock around it.
        var commit: (Store) async throws -> Void = { try await $0.commit() }
        /// Whom it is told of when it asks for bootstrap peers.
        var bootstrapCount = 4
        /// When the uplink is dead. Nobody tells the node.
        var outages: [Range<VirtualTime>] = []
    }

    let internet: Internet
    /// Which node of the network it is.
    let node: Int
    let machine = Machine()
    let folder: StoreFolder
    var settings: Settings

    private(set) var engine: NodeEngine?
    private(set) var store: Store?
    private(set) var tally = DialTally()
    private(set) var digest = TraceDigest()
    /// The end of the lookup that ``lookup(_:options:)`` waits for.
    private var finished: LookupOutcome?
    private var awaited: LookupID?

    private var queue = EventQueue<Happening>()
    /// Who has called, and keeps that connection.
    private var visitors: Set<PeerID> = []
    /// Calls under way: nobody answers one that is not among them.
    private var calls: Set<CallID> = []
    private var life = 0
    private var nonce: UInt64 = 0
    private var wake: Uptime?
    private var isCommitDue = false
    private let seed: Draw
    private let name: String

    /// - Parameter name: the store's file in `folder`: one that lies there is opened.
    init(_ internet: Internet, node: Int, folder: StoreFolder, name: String, settings: Settings = Settings()) {
        self.internet = internet
        self.node = node
        self.folder = folder
        self.name = name
        self.settings = settings
        seed = internet.network.draw[.engine][node]
    }

    /// Begins to tally anew: it holds everybody who was ever dialled.
    func clearTally() { tally = DialTally() }

    var now: VirtualTime { machine.now }
    var time: Time { Time(wall: machine.wall, uptime: machine.uptime) }

    // MARK: Life

    /// Opens the store and starts the node.
    func start() async throws {
        life += 1
        calls = []
        wake = nil
        finished = nil
        awaited = nil
        isCommitDue = false
        let store = try await Self.open(folder.file(name), machine)
        guard let id = internet.network.id(of: node) else { return }
        let identity = try await store.identity(id)
        let boot = machine.boot
        let engine = try NodeEngine(
            store: store, identity: identity, configuration: settings.engine, seed: seed[life].bits,
            boot: Boot(id: boot.id, at: boot.at), at: time)
        (self.store, self.engine) = (store, engine)
        carryOut(engine.start(at: time))
    }

    /// Ends as a good node does: everything is written.
    func stop() async throws {
        if let engine { carryOut(engine.stop(at: time)) }
        try await store?.close()
        (engine, store) = (nil, nil)
        life += 1
    }

    /// Dies at once: what was not committed is lost, and nothing is said to anybody.
    ///
    /// The file is set back to what lay on the disk, because a store that is let go of would write its queue.
    func crash() async throws {
        guard let dying = store else { return }
        try folder.copy(name, to: name + ".crashed")
        (engine, store) = (nil, nil)
        life += 1
        try await dying.close()
        folder.remove(name)
        try folder.copy(name + ".crashed", to: name)
        folder.remove(name + ".crashed")
    }

    /// A store whose commits happen when ``ObservedNode`` says so.
    static func open(_ path: String, _ machine: Machine) async throws -> Store {
        var options = StoreOptions()
        options.batchCount = .max
        options.batchMilliseconds = 1_000_000_000
        options.syncMilliseconds = 1_000_000_000
        options.queueLimit = 1 << 20
        options.cacheKibibytes = 8_192
        options.salt = [UInt8](repeating: 0x5a, count: 32)
        options.now = { machine.wall }
        return try await Store.open(path, mode: .create(.libp2p, .public), options: options)
    }

    // MARK: Time

    /// Lets the world go on until `end`.
    ///
    /// - Parameter limit: ends after so many happenings, to crash there; nil is without end.
    /// - Returns: how many there were.
    @discardableResult
    func advance(to end: VirtualTime, limit: Int? = nil) async throws -> Int {
        var count = 0
        while let next = queue.nextTime, next <= end, count < limit ?? .max {
            try await step()
            count += 1
        }
        if queue.nextTime.map({ $0 > end }) ?? true { machine.now = max(now, end) }
        return count
    }

    func advance(by microseconds: Int64) async throws { try await advance(to: now + microseconds) }

    /// What a lookup has come to.
    struct LookupOutcome {
        let reason: Lookup.FinishReason
        let statistics: LookupStatistics
        let found: [Key]
        let microseconds: Int64
    }

    /// Looks a target up, and lets the world go on until that is done.
    ///
    /// - Returns: nil when the node does not run, or the lookup does not end within an hour.
    func lookup(_ target: Key, options: LookupOptions = LookupOptions()) async throws -> LookupOutcome? {
        guard let engine else { return nil }
        let begin = now
        let (id, actions) = engine.lookup(LookupTarget(key: target), options: options, at: time)
        (awaited, finished) = (id, nil)
        carryOut(actions)
        while finished == nil, let next = queue.nextTime, next - begin < Span.hour { try await step() }
        defer { (awaited, finished) = (nil, nil) }
        return finished.map {
            LookupOutcome(reason: $0.reason, statistics: $0.statistics, found: $0.found, microseconds: now - begin)
        }
    }

    private func step() async throws {
        try Task.checkCancellation()
        guard let (moment, happening) = queue.next() else { return }
        machine.now = max(now, moment)
        switch happening {
        case .outcome(let call, let outcome, let life):
            guard life == self.life, let engine, calls.remove(call) != nil else { return }
            digest.add(now)
            // An answer that arrives while the uplink is dead does not arrive.
            guard !isLinkDead else {
                if case .answered = outcome { tally.swallowed += 1 }
                return
            }
            carryOut(engine.completed(call, outcome, at: time))
        case .wake(let uptime, let life):
            guard life == self.life, let engine, wake == uptime else { return }
            wake = nil
            digest.add(now)
            carryOut(engine.tick(at: time))
        case .commit(let life):
            guard life == self.life else { return }
            isCommitDue = false
            if let store { try await settings.commit(store) }
        }
    }

    /// Somebody calls the node, and says what he is and where he listens. The connection stays: what the node asks him from now
    /// on goes over it, which proves no address.
    func visit(_ party: Internet.Party) {
        guard let engine, let id = internet.id(of: party), let address = internet.address(of: party) else { return }
        visitors.insert(id)
        carryOut(
            engine.identified(
                id, agent: nil, protocols: [], addresses: [address], from: address, serves: true, at: time))
    }

    // MARK: What the engine wants

    var isLinkDead: Bool { settings.outages.contains { $0.contains(now) } }

    private func carryOut(_ first: [Action]) {
        // One after the other: of two wakes the later one counts, also when answering an action leads to more.
        var actions = first
        var position = 0
        while position < actions.count {
            let action = actions[position]
            position += 1
            switch action {
            case .call(let id, let call): dial(id, call)
            case .cancel(let id): calls.remove(id)
            case .event(let id, .finished(let reason, let statistics, let closest)) where id == awaited:
                finished = LookupOutcome(
                    reason: reason, statistics: statistics, found: closest.map(\.peer.key), microseconds: 0)
                for peer in closest { digest.add(peer.peer.key) }
            // It neither asks single peers nor keeps or publishes anything.
            case .event, .outcome, .publish, .sweep: break
            case .wake(let uptime):
                wake = uptime
                queue.schedule(.wake(uptime, life: life), at: max(now, machine.time(of: uptime)))
            case .bootstrap: actions += introduced()
            case .note(let note): tally.add(note, isLive: isLive)
            }
        }
        if !isCommitDue, engine != nil {
            isCommitDue = true
            queue.schedule(.commit(life: life), at: now + settings.commitInterval)
        }
    }

    private func dial(_ id: CallID, _ call: Call) {
        nonce += 1
        calls.insert(id)
        digest.add(call.peer.key)
        let isLive = isLive(call.peer.key)
        tally.dialled(call.peer.key, isLive: isLive)
        if isLive, isLinkDead { tally.swallowed += 1 }
        guard !isLinkDead, let party = internet.party(call.peer.key) else { return }
        let reply = internet.dial(party, at: call.addresses, from: node, nonce: nonce, time: now)
        switch reply {
        case .answer(let after):
            var named: [NamedPeer] = []
            if case .findNode(let target) = call.request {
                named = internet.answer(of: party, to: target.key, at: now + after / 2)
            }
            let address = internet.address(of: party)
            let outcome = CallOutcome.answered(
                address: visitors.contains(call.peer.id) ? nil : address, origin: address, rttMicroseconds: after,
                named: named)
            queue.schedule(.outcome(id, outcome, life: life), at: now + after)
        case .refusal(let after):
            let outcome = CallOutcome.failed(.refused, address: call.addresses.first)
            queue.schedule(.outcome(id, outcome, life: life), at: now + after)
        case .silence: break
        }
    }

    /// Whoever bootstraps the network: nodes that are up, the same ones for all.
    /// What the engine makes of the bootstrap peers.
    private func introduced() -> [Action] {
        guard let engine else { return [] }
        let draw = internet.network.draw[.scenario]
        let peers = (0..<settings.bootstrapCount).compactMap { number -> (PeerID, [Multiaddr])? in
            guard let node = internet.network.liveNode(draw[number], at: now), node != self.node,
                let id = internet.network.id(of: node)
            else { return nil }
            return (id, [internet.network.address(of: node)])
        }
        return engine.introduce(peers, source: "bootstrap", at: time)
    }

    private func isLive(_ key: Key) -> Bool { internet.party(key).map { internet.isLive($0, at: now) } ?? false }
}
