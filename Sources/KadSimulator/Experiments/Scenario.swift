import KadEngine
import KadStore
import Kademlia

/// What the experiments with one observed node share: a node that has been a member for long, on a machine of its own.
struct Scenario {
    let network: SimulatedNetwork
    let folder: StoreFolder
    /// The node that is observed.
    let node: Int

    /// When experiments begin: networks with churn are in their steady state.
    static let begin = VirtualTime(microseconds: 10 * Span.day)

    /// - Returns: nil when nobody in the network is up.
    init?(_ configuration: NetworkConfiguration, seed: UInt64) throws {
        network = try SimulatedNetwork(configuration, seed: seed)
        guard let node = network.liveNode(network.draw[.scenario][0], at: Self.begin) else { return nil }
        self.node = node
        folder = try StoreFolder()
    }

    /// The node, not started yet.
    func observed(
        _ name: String, settings: ObservedNode.Settings = .init(), attackers: Attackers? = nil
    ) -> ObservedNode {
        let observed = ObservedNode(
            Internet(network: network, attackers: attackers), node: node, folder: folder, name: name,
            settings: settings)
        observed.machine.now = Self.begin
        return observed
    }

    /// Fills the store of that name before the node's first start.
    func prepare(_ name: String, _ fill: (StorePreparation) async throws -> Void) async throws {
        let machine = Machine()
        machine.now = Self.begin
        guard let id = network.id(of: node) else { return }
        let store = try await ObservedNode.open(folder.file(name), machine)
        let identity = try await store.identity(id)
        try await fill(
            StorePreparation(store: store, identity: identity, network: network, node: node, now: Self.begin))
        try await store.close()
    }

    /// Whether the peer with this key is up.
    func isLive(_ key: Key, at time: VirtualTime) -> Bool {
        network.node(key).map { network.isLive($0, at: time) } ?? false
    }
}

extension ObservedNode {
    /// A target that nobody else of this experiment looks up.
    func target(_ number: Int) -> Key {
        let draw = internet.network.draw[.lookup][3][node][number]
        return Key(draw[0].bits, draw[1].bits, draw[2].bits, draw[3].bits)
    }

    /// Lets the world go on until `end`, and looks something up again and again.
    ///
    /// - Parameter interval: from one begin to the next, on average. Drawn from half of it to one and a half: nothing that
    ///   the node does by itself stays in step.
    /// - Returns: the share of the live k nearest that each lookup found.
    @discardableResult
    func lookUp(every interval: Int64, until end: VirtualTime, from first: Int = 0) async throws -> [Double] {
        var recalls: [Double] = []
        var begin = now
        while begin < end {
            try await advance(to: begin)
            let target = target(first + recalls.count)
            let outcome = try await lookup(target)
            recalls.append(recall(of: outcome?.found ?? [], target))
            let luck = internet.network.draw[.scenario][2][first + recalls.count]
            begin = begin + interval / 2 + Int64(luck.below(UInt64(interval)))
        }
        try await advance(to: end)
        return recalls
    }

    func recall(of found: [Key], _ target: Key) -> Double {
        let network = internet.network
        return network.recall(of: found, target: target, count: network.configuration.k, asker: node, at: now)
    }
}

extension Store {
    /// Every row. Short pages, as a sweep reads them.
    func everyPeer() throws(StoreError) -> [PeerRecord] {
        var rows: [PeerRecord] = []
        var position: Key?
        repeat {
            let page = try peers(after: position)
            rows += page.peers
            position = page.next
        } while position != nil
        return rows
    }
}
