import Kademlia

/// Lookups of the known algorithms in one network, side by side: same askers, same targets, same luck.
public struct AlgorithmComparison: Experiment {
    public var nodes: Int
    /// Dead nodes in a thousand, one table each.
    public var deadPermille: [Int]
    public var alphas: [Int]
    /// Lookups of each algorithm with each seed, each from another node for another target.
    public var lookups: Int
    /// Nodes that come and go, in addition.
    public var churn: Churn?

    public init(
        nodes: Int, deadPermille: [Int] = [0, 200, 500], alphas: [Int] = [3, 10], lookups: Int = 50, churn: Churn? = nil
    ) {
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.alphas = alphas
        self.lookups = lookups
        self.churn = churn
    }

    public var name: String { "algorithms" }

    public var title: String {
        """
        Lookups among \(nodes) nodes, each bucket min(20, all) peers drawn evenly before the deaths, no repair; median \
        round trip 100 ms, timeout \(AlgorithmRun.timeout / Span.second) s
        """
    }

    public var goals: [Goal] { [] }

    public func run(seed: UInt64) async throws -> Outcome {
        var outcome = Outcome()
        for dead in deadPermille {
            let network = try SimulatedNetwork(
                NetworkConfiguration(nodes: nodes, deadPermille: dead, churn: churn), seed: seed)
            for alpha in alphas {
                measure(OriginRounds.self, "origin", network, alpha, dead, &outcome)
                measure(StandardKademlia.self, "standard", network, alpha, dead, &outcome)
                measure(GoLibp2p.self, "go-libp2p", network, alpha, dead, &outcome)
            }
            measure(ExhaustiveSearch.self, "ceiling", network, 0, dead, &outcome)
        }
        return outcome
    }

    private func measure<Algorithm: LookupAlgorithm>(
        _ algorithm: Algorithm.Type, _ name: String, _ network: SimulatedNetwork, _ alpha: Int, _ dead: Int,
        _ outcome: inout Outcome
    ) {
        var tally = LookupTally()
        for number in 0..<lookups {
            let draw = network.draw[.lookup][number]
            let now = VirtualTime(microseconds: Int64(draw[0].below(UInt64(Span.day))))
            guard let asker = network.liveNode(draw[1], at: now) else { continue }
            let target = Key(draw[2].bits, draw[3].bits, draw[4].bits, draw[5].bits)
            let run = AlgorithmRun(
                algorithm, in: network, from: asker, target: target, alpha: alpha, nonce: UInt64(number), at: now)
            let recall = network.recall(
                of: run.result, target: target, count: network.configuration.k, asker: asker,
                at: now + run.microseconds)
            tally.add(run.work, microseconds: run.microseconds, recall: recall)
            outcome.digest.add(run.digest)
        }
        let width = alpha > 0 ? ", alpha \(alpha)" : ""
        outcome.rows.append(tally.row("\(dead / 10) % dead\(width), \(name)"))
    }
}
