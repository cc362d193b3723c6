import KadEngine
import KadStore
import Kademlia
import TestSupport
import Testing

@testable import KadSimulator

/// Three of ten nodes are one host's: as many ids as it likes in one /24, all of them up, who call the node again and again,
/// answer everything, and name nobody but each other.
@Suite("One network with a third of all ids")
struct SybilTests {
    private static let honest = 420
    private static let ids = 180
    /// Less than the ids, so that it binds.
    private static let perSource = 30

    /// What the attacker holds after an hour, and what honest peers do.
    private struct Outcome: Equatable {
        var rows = 0
        var honestRows = 0
        var contacts = 0
        var honestContacts = 0
        var mostInBucket = 0
        /// Of the contacts nearest to a target, 20 for each of 50 targets: the most, and all.
        var mostNearest = 0
        var nearest = 0
    }

    private func hour(seed: UInt64, quotas: Bool, ids: Int = ids) async throws -> Outcome {
        let configuration = NetworkConfiguration(nodes: Self.honest, churn: Churn())
        let scenario = try #require(try Scenario(configuration, seed: seed))
        let attackers = try Attackers(count: ids, groups: 1, outside: scenario.network)
        var settings = ObservedNode.Settings()
        settings.commitInterval = Span.minute
        settings.engine.gossip.perSource = quotas ? Self.perSource : .max
        var table = RoutingTable.Configuration()
        if !quotas { table.limits = nil }
        settings.engine.table = table
        let node = scenario.observed("node.db", settings: settings, attackers: attackers)
        try await node.start()
        let end = Scenario.begin + Span.hour
        for minute in 0..<60 {
            // Each of the attacker's six times in the hour, an honest node once.
            for id in 0..<ids where id % 10 == minute % 10 { node.visit(.attacker(id)) }
            for peer in 0..<Self.honest where peer % 60 == minute && scenario.network.isLive(peer, at: node.now) {
                node.visit(.node(peer))
            }
            if minute % 5 == 0 { _ = try await node.lookup(node.target(minute)) }
            try await node.advance(to: min(end, Scenario.begin + Int64(minute + 1) * Span.minute))
        }
        let outcome = try Self.outcome(of: node, attackers)
        #expect(try await node.store?.check(full: true).isSound == true)
        try await node.stop()
        return outcome
    }

    private static func outcome(of node: ObservedNode, _ attackers: Attackers) throws -> Outcome {
        let (store, engine) = (try #require(node.store), try #require(node.engine))
        var outcome = Outcome()
        for peer in try store.everyPeer() {
            if attackers.node(peer.key) != nil { outcome.rows += 1 } else { outcome.honestRows += 1 }
        }
        for bucket in engine.table.buckets {
            let held = bucket.live.count { attackers.node($0.key) != nil }
            outcome.contacts += held
            outcome.honestContacts += bucket.live.count - held
            outcome.mostInBucket = max(outcome.mostInBucket, held)
        }
        for number in 0..<50 {
            let nearest = engine.table.closest(to: node.target(1_000 + number), count: 20)
            let held = nearest.count { attackers.node($0.key) != nil }
            outcome.nearest += held
            outcome.mostNearest = max(outcome.mostNearest, held)
        }
        return outcome
    }

    @Test("gets the share of one network, and honest peers stay", arguments: Seeds.first(1))
    func share(seed: UInt64) async throws {
        let limits = DiversityLimits()
        let held = try await hour(seed: seed, quotas: true)
        // Those who told of themselves, and those whom others of them told.
        #expect(held.rows > 0 && held.rows <= 2 * Self.perSource, "\(held)")
        #expect(held.contacts <= limits.perTable && held.mostInBucket <= limits.perBucket, "\(held)")
        #expect(held.mostNearest <= limits.perTable && held.nearest < 50 * 20 / 5, "\(held)")

        let peaceful = try await hour(seed: seed, quotas: true, ids: 0)
        #expect(held.honestRows * 10 >= peaceful.honestRows * 9, "\(held) \(peaceful)")
        #expect(held.honestContacts * 10 >= peaceful.honestContacts * 8, "\(held) \(peaceful)")

        // What that is worth.
        let unlimited = try await hour(seed: seed, quotas: false)
        #expect(unlimited.rows == Self.ids, "\(unlimited)")
        #expect(unlimited.contacts > 2 * limits.perTable && unlimited.mostInBucket > limits.perBucket, "\(unlimited)")
        #expect(unlimited.nearest > 2 * held.nearest, "\(held) \(unlimited)")
    }
}
