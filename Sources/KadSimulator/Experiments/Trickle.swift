import KadEngine
import Kademlia

/// A node that hardly talks: does it learn who is dead, although nothing happens around most failures?
public struct Trickle: Experiment {
    public var nodes: Int
    /// Dead nodes in a thousand.
    public var deadPermille: Int
    /// The mean time from one ping of a contact to the next.
    public var interval: Int64
    /// Less than the table takes at this pace: after that the upkeep begins with a burst of lookups.
    public var length: Int64

    public init(
        nodes: Int = 1_000, deadPermille: Int = 300, interval: Int64 = 3 * Span.minute, length: Int64 = 8 * Span.hour
    ) {
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.interval = interval
        self.length = length
    }

    public var name: String { "trickle" }

    public var title: String {
        """
        A slow trickle of traffic for \(length / Span.hour) h: one ping of a contact in \(interval / Span.second) s on \
        average (a warm start that is stretched to this pace), no lookup; \(nodes) nodes, \(deadPermille / 10) % dead
        """
    }

    static let engine = "engine"
    static let withoutCanary = "without canary"

    public var goals: [Goal] {
        [
            Goal("dead peers are still learnt", row: Self.engine, .deadLearnt, .atLeast(0.95)),
            Goal("no live peer wrongly charged", row: Self.engine, .wrongCharges, .atMost(0)),
        ]
    }

    public func run(seed: UInt64) async throws -> Outcome {
        let configuration = NetworkConfiguration(nodes: nodes, deadPermille: deadPermille)
        guard let scenario = try Scenario(configuration, seed: seed) else { return Outcome() }
        var outcome = Outcome()
        for name in [Self.engine, Self.withoutCanary] {
            try await scenario.prepare(name) { try await $0.rememberContacts(haveAnswered: true) }
            var settings = ObservedNode.Settings()
            settings.commitInterval = Span.minute
            // Neither anchors nor seeds, which leave in a burst: members alone, at their pace.
            settings.engine.warmStart = .init(
                anchors: 0, perBucket: 1, seeds: 0, spreadPerProbeMilliseconds: interval / Span.millisecond)
            if name == Self.withoutCanary {
                settings.engine.outage.roundIntervalMilliseconds = 100 * length / Span.millisecond
            }
            let node = scenario.observed(name, settings: settings)
            try await node.start()
            try await node.advance(by: length)
            outcome.rows.append(node.tally.row(name))
            outcome.digest.add(node.digest)
            try await node.stop()
        }
        return outcome
    }
}
