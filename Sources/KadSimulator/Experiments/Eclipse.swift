import KadEngine
import KadStore
import Kademlia
import Multiformats

/// An eclipse on restart (Heilman et al., 2015): an attacker owns the newest rows of the store, and waits for the node to
/// start again. The buckets were honest before.
public struct Eclipse: Experiment {
    public var nodes: Int
    /// Honest contacts that died meanwhile, in thousandths: whose places are to be had.
    public var deadPermille: Int
    /// The attacker's networks (/24), one variant each.
    public var groups: [Int]
    /// The attacker's peers in each of the node's buckets. All of them answer, and name nobody but each other.
    public var perBucket: Int

    public init(nodes: Int = 2_000, deadPermille: Int = 300, groups: [Int] = [1, 4, 64], perBucket: Int = 40) {
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.groups = groups
        self.perBucket = perBucket
    }

    public var name: String { "eclipse" }

    public var title: String {
        """
        Eclipse on restart: \(nodes) nodes in about as many networks, a table of honest peers of which \
        \(deadPermille / 10) % died meanwhile, a store that knows a tenth of the others; the attacker has \(perBucket) \
        peers in each bucket, newer rows than all, and few networks. His bound is the larger of his share of the networks \
        in the store and what the table's cap for each network allows him
        """
    }

    static func row(_ groups: Int) -> String { "attacker with \(groups) networks" }

    public var goals: [Goal] {
        groups.flatMap { groups in
            [
                Goal(
                    "\(groups) networks: the table is held within the bound", row: Self.row(groups), .beyondBound,
                    .atMost(0)),
                // With many networks the cap allows him everything, and the share of the networks is the bound that binds.
                groups >= 32
                    ? Goal(
                        "\(groups) networks: no more than his share of them", row: Self.row(groups), .beyondGroups,
                        .atMost(0)) : nil,
                Goal(
                    "\(groups) networks: no bucket lost that has an honest candidate", row: Self.row(groups),
                    .bucketsLost, .atMost(0)),
            ].compactMap { $0 }
        }
    }

    public func run(seed: UInt64) async throws -> Outcome {
        let configuration = NetworkConfiguration(nodes: nodes, deadPermille: deadPermille)
        guard let scenario = try Scenario(configuration, seed: seed) else { return Outcome() }
        var outcome = Outcome()
        for groups in groups { try await attack(scenario, with: groups, &outcome) }
        return outcome
    }

    private func attack(_ scenario: Scenario, with groups: Int, _ outcome: inout Outcome) async throws {
        let buckets = scenario.network.contacts(of: scenario.node, at: Scenario.begin).count
        let attackers = try Attackers(
            around: scenario.network.key(of: scenario.node), perBucket: perBucket, buckets: buckets, groups: groups,
            outside: scenario.network)
        let file = "\(groups).db"
        try await scenario.prepare(file) { preparation in
            try await preparation.rememberContacts(haveAnswered: true)
            try await preparation.rememberAnswers(permille: LookupComparison.knownPermille)
            try await preparation.rememberAttackers(attackers)
        }
        let node = scenario.observed(file, attackers: attackers)
        try await node.start()
        let honest = try honestBuckets(node)
        let knownGroups = try node.store?.everyPeer().compactMap {
            $0.addresses.first?.address.networkGroup(private: false)
        }
        while node.tally.warmStartsFinished == 0, node.now - Scenario.begin < Span.hour {
            try await node.advance(by: Span.second)
        }
        guard let table = node.engine?.table else { return }
        let live = table.buckets.flatMap(\.live)
        let held = live.filter { attackers.node($0.key) != nil }
        let verified = live.filter(\.isVerified)
        let share = Double(held.count) / Double(max(1, live.count))
        let groupShare = Double(groups) / Double(max(1, Set(knownGroups ?? []).count))
        let cap = min(1, Double(groups * DiversityLimits().perTable) / Double(max(1, live.count)))
        let lost = honest.filter { bucket in
            !verified.contains { attackers.node($0.key) == nil && table.bucketIndex(of: $0.key) == bucket }
        }
        var row = Row(
            Self.row(groups),
            [
                Measurement(.heldShare, share),
                Measurement(
                    .heldVerified,
                    Double(verified.count { attackers.node($0.key) != nil }) / Double(max(1, verified.count))),
                Measurement(.groupShare, groupShare),
                Measurement(.tableCap, cap),
                Measurement(.beyondBound, share - max(groupShare, cap)),
                Measurement(.beyondGroups, share - groupShare),
                Measurement(.bucketsLost, lost.count),
            ])
        try await node.advance(by: Span.hour)
        let later = node.engine?.table.buckets.flatMap(\.live) ?? []
        row.measurements.append(
            Measurement(
                .heldLater, Double(later.count { attackers.node($0.key) != nil }) / Double(max(1, later.count))))
        outcome.rows.append(row)
        outcome.digest.add(node.digest)
        try await node.stop()
    }

    /// The buckets for which the store knows an honest peer that is up.
    private func honestBuckets(_ node: ObservedNode) throws -> [Int] {
        guard let table = node.engine?.table, let rows = try node.store?.everyPeer() else { return [] }
        let network = node.internet.network
        let honest = rows.filter { row in
            row.lastOK != nil && network.node(row.key).map { network.isLive($0, at: node.now) } ?? false
        }
        return Set(honest.map { table.bucketIndex(of: $0.key) }).sorted()
    }
}

extension StorePreparation {
    /// The attacker's peers: each answered in the last minutes, later than anybody else.
    fileprivate func rememberAttackers(_ attackers: Attackers) async throws {
        for attacker in 0..<attackers.count {
            guard let id = attackers.population.id(of: attacker) else { continue }
            let peer = try store.peer(id)
            let address = attackers.population.address(of: attacker)
            let answeredAt = Machine.wall(at: now).advanced(byMilliseconds: -Int64(attacker % 59) * 1_000)
            try store.record(
                .heard(peer, addresses: [address], source: nil, at: answeredAt.advanced(byMilliseconds: -60_000)))
            try store.record(
                .answered(peer, address: address, rtt: network.configuration.medianRoundTrip, at: answeredAt))
        }
        try await store.flush()
    }
}

extension Metric {
    public static let heldShare = Metric("heldShare", "held", .share)
    public static let heldVerified = Metric("heldShareOfVerified", "of verified", .share)
    public static let heldLater = Metric("heldShareAfterHour", "after 1 h", .share)
    public static let groupShare = Metric("shareOfNetworks", "of networks", .share)
    public static let tableCap = Metric("tableCap", "cap", .share)
    public static let beyondBound = Metric("beyondBound", "beyond bound", .share)
    public static let beyondGroups = Metric("beyondShareOfNetworks", "beyond networks", .share)
    public static let bucketsLost = Metric("bucketsLost", "buckets lost", .count)
}
