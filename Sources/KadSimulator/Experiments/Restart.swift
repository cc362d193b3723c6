import KadEngine
import Kademlia

/// The same node at the same moment, once from its store and once from nothing but bootstrap peers.
public struct Restart: Experiment {
    public var nodes: Int
    /// Nodes in a thousand that tables name although nobody can dial them.
    public var unreachablePermille: Int
    public var churn: Churn
    /// How long the node ran before it was stopped, and how long it was off.
    public var before, off: Int64

    public init(
        nodes: Int = 1_000, unreachablePermille: Int = 300, churn: Churn = Churn(), before: Int64 = 8 * Span.hour,
        off: Int64 = 2 * Span.hour
    ) {
        self.nodes = nodes
        self.unreachablePermille = unreachablePermille
        self.churn = churn
        self.before = before
        self.off = off
    }

    public var name: String { "restart" }

    /// What a lookup must find of the live k nearest to count as correct: 19 of 20.
    static let correctRecall = 0.95
    /// The part of a perfect table that makes a healthy one.
    static let healthyShare = 0.8
    /// From one lookup to the next, in the node's life before.
    static let lookupInterval = 2 * Span.minute
    /// When a node is given up that does not come to health.
    static let patience = 3 * Span.hour

    public var title: String {
        """
        Cold against warm: \(nodes) nodes that come and go, \(unreachablePermille / 10) % of them named by all and \
        reached by nobody; a node that ran for \(before / Span.hour) h and was off for \
        \(off / Span.hour) h starts from its store, or with 4 bootstrap peers alone. A lookup is correct with 19 of the \
        live 20 nearest; a table is healthy when 80 % of a perfect one's places hold a peer that has answered and is up
        """
    }

    static let cold = "cold"
    static let warm = "warm"
    static let gain = "warm against cold"

    public var goals: [Goal] {
        [
            Goal("first correct lookup 10 times sooner", row: Self.gain, .correctSooner, .atLeast(10)),
            Goal("healthy table 10 times sooner", row: Self.gain, .healthySooner, .atLeast(10)),
            Goal(
                "90 % fewer dead dials before the first correct lookup", row: Self.gain, .fewerAtCorrect, .atLeast(0.9)),
            Goal("90 % fewer dead dials before the table is healthy", row: Self.gain, .fewerAtHealthy, .atLeast(0.9)),
        ]
    }

    private struct Begin {
        var correctAfter: Int64?
        var deadAtCorrect = 0
        var healthyAfter: Int64?
        var deadAtHealthy = 0
        var settled = 0.0
    }

    public func run(seed: UInt64) async throws -> Outcome {
        guard
            let scenario = try Scenario(
                NetworkConfiguration(nodes: nodes, unreachablePermille: unreachablePermille, churn: churn), seed: seed)
        else {
            return Outcome()
        }
        var outcome = Outcome()
        let old = scenario.observed("warm.db")
        try await old.start()
        try await old.lookUp(every: Self.lookupInterval, until: Scenario.begin + before)
        try await old.stop()
        outcome.digest.add(old.digest)

        var begins: [Begin] = []
        for name in [Self.cold, Self.warm] {
            let node = scenario.observed(name + ".db")
            node.machine.now = Scenario.begin + before + off
            let begin = try await observe(node)
            outcome.digest.add(node.digest)
            outcome.rows.append(row(name, begin))
            begins.append(begin)
        }
        outcome.rows.append(Self.compare(cold: begins[0], warm: begins[1]))
        return outcome
    }

    /// Lookups one after another until one is correct; then the node is left alone until its table is healthy.
    private func observe(_ node: ObservedNode) async throws -> Begin {
        let start = node.now
        var begin = Begin()
        try await node.start()
        var number = 2_000_000
        while node.now - start < Self.patience, begin.correctAfter == nil || begin.healthyAfter == nil {
            if begin.correctAfter == nil {
                let target = node.target(number)
                let found = try await node.lookup(target)?.found ?? []
                number += 1
                if node.recall(of: found, target) >= Self.correctRecall {
                    begin.correctAfter = node.now - start
                    begin.deadAtCorrect = node.tally.deadDials
                }
            } else {
                try await node.advance(by: Span.second / 2)
            }
            if begin.healthyAfter == nil, health(node) >= Self.healthyShare {
                begin.healthyAfter = node.now - start
                begin.deadAtHealthy = node.tally.deadDials
            }
        }
        if begin.healthyAfter == nil { begin.deadAtHealthy = node.tally.deadDials }
        try await node.advance(to: start + Span.hour)
        begin.settled = health(node)
        try await node.stop()
        return begin
    }

    private func health(_ node: ObservedNode) -> Double {
        guard let table = node.engine?.table else { return 0 }
        return TableHealth(table, of: node.node, in: node.internet.network, at: node.now).share
    }

    private func row(_ name: String, _ begin: Begin) -> Row {
        func milliseconds(_ time: Int64?) -> Double { Double(time ?? Self.patience) / Double(Span.millisecond) }
        return Row(
            name,
            [
                Measurement(.firstCorrect, milliseconds(begin.correctAfter)),
                Measurement(.deadAtCorrect, begin.deadAtCorrect),
                Measurement(.healthy, milliseconds(begin.healthyAfter)),
                Measurement(.deadAtHealthy, begin.deadAtHealthy),
                Measurement(.settledHealth, begin.settled),
            ])
    }

    private static func compare(cold: Begin, warm: Begin) -> Row {
        func times(_ cold: Int64?, _ warm: Int64?) -> Double {
            Double(cold ?? patience) / Double(max(1, warm ?? patience))
        }
        func fewer(_ cold: Int, _ warm: Int) -> Double { cold > 0 ? 1 - Double(warm) / Double(cold) : 0 }
        return Row(
            gain,
            [
                Measurement(.correctSooner, times(cold.correctAfter, warm.correctAfter)),
                Measurement(.fewerAtCorrect, fewer(cold.deadAtCorrect, warm.deadAtCorrect)),
                Measurement(.healthySooner, times(cold.healthyAfter, warm.healthyAfter)),
                Measurement(.fewerAtHealthy, fewer(cold.deadAtHealthy, warm.deadAtHealthy)),
            ])
    }
}

extension Metric {
    public static let firstCorrect = Metric("firstCorrectMs", "first correct", .milliseconds)
    public static let healthy = Metric("healthyMs", "healthy", .milliseconds)
    public static let deadAtCorrect = Metric("deadDialsAtCorrect", "dead dials by then", .count)
    public static let deadAtHealthy = Metric("deadDialsAtHealthy", "dead dials by health", .count)
    public static let settledHealth = Metric("healthAfterHour", "health after 1 h", .share)
    public static let correctSooner = Metric("correctSooner", "correct sooner", .count)
    public static let healthySooner = Metric("healthySooner", "healthy sooner", .count)
    public static let fewerAtCorrect = Metric("fewerDeadAtCorrect", "fewer dead dials", .share)
    public static let fewerAtHealthy = Metric("fewerDeadAtHealthy", "fewer by health", .share)
}
