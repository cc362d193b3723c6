import KadEngine
import KadStore
import Kademlia

/// Lookups of the engine beside those of the known algorithms: same network, same askers, same targets, same luck.
public struct LookupComparison: Experiment {
    public var nodes: Int
    /// Dead nodes in a thousand, a part of the table each.
    public var deadPermille: [Int]
    public var alphas: [Int]
    /// Lookups of each variant with each seed, each for another target.
    public var lookups: Int
    /// Nodes that take turns in asking.
    public var askers: Int
    /// Nodes that come and go, in addition.
    public var churn: Churn?
    /// Requests in a thousand that get lost.
    public var lossPermille: Int
    /// Variants of the engine; none compares the algorithms alone.
    public var memories: [Memory]
    /// Lookups that a node has done before, where it earned its history.
    public var earlierLookups: Int

    public init(
        nodes: Int, deadPermille: [Int] = [0, 200, 500], alphas: [Int] = [3, 10], lookups: Int = 50, askers: Int = 5,
        churn: Churn? = nil, lossPermille: Int = 0, memories: [Memory] = Memory.allCases, earlierLookups: Int = 200
    ) {
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.alphas = alphas
        self.lookups = lookups
        self.askers = askers
        self.churn = churn
        self.lossPermille = lossPermille
        self.memories = memories
        self.earlierLookups = earlierLookups
    }

    /// What the engine's store knows before the lookup.
    public enum Memory: String, Hashable, Sendable, CaseIterable {
        /// The node's contacts, as hearsay: nobody ever answered, nobody failed.
        case cold
        /// That its contacts answered once, how fast, and of the dead peers nine in ten that they failed.
        case history
        /// In addition a tenth of the network, which answered once.
        case tenth = "history + 10 % store"
        /// What the node learnt by itself in earlier lookups, from cold.
        case earned = "earned history"
    }

    /// Chance in a thousand that a dead peer is in the store as failed: an assumption.
    static let knownDeadPermille = 900
    static let knownPermille = 100

    public var name: String { churn == nil ? "lookups" : "lookups-churn" }

    public var title: String {
        var words = """
            Lookups among \(nodes) nodes, each bucket min(20, all) peers drawn evenly before the deaths, no repair; median \
            round trip 100 ms; timeout of the algorithms without memory \(AlgorithmRun.timeout / Span.second) s
            """
        if churn != nil { words += "; with churn, buckets renewed every hour" }
        return words
    }

    public var goals: [Goal] {
        guard churn == nil, memories.contains(.tenth), alphas.contains(10) else { return [] }
        var goals: [Goal] = []
        if deadPermille.contains(200) {
            let row = Self.row(200, 10, "engine, \(Memory.tenth.rawValue)")
            goals.append(Goal("20 % dead, 10 % store: at most 30 queries", row: row, .queries, .atMost(30)))
            goals.append(Goal("20 % dead, 10 % store: recall 0.99", row: row, .recall, .atLeast(0.99)))
        }
        if deadPermille.contains(500) {
            let row = Self.row(500, 10, "engine, \(Memory.tenth.rawValue), stop 1.5 k")
            goals.append(Goal("50 % dead, stop at 1.5 k: recall 0.97", row: row, .recall, .atLeast(0.97)))
        }
        for dead in deadPermille where dead > 0 && memories.contains(.history) && memories.contains(.cold) {
            goals.append(
                Goal(
                    "\(dead / 10) % dead: history cuts timeouts by 85 %",
                    row: Self.row(dead, 10, "engine, history"), .timeoutsSaved, .atLeast(0.85)))
        }
        return goals
    }

    static func row(_ dead: Int, _ alpha: Int, _ name: String) -> String {
        "\(dead / 10) % dead, \(alpha > 0 ? "alpha \(alpha), " : "")\(name)"
    }

    public func run(seed: UInt64) async throws -> Outcome {
        var outcome = Outcome()
        for dead in deadPermille {
            let network = try SimulatedNetwork(
                NetworkConfiguration(nodes: nodes, deadPermille: dead, churn: churn, lossPermille: lossPermille),
                seed: seed)
            let trials = Trials(network: network, count: lookups, askers: askers)
            for alpha in alphas {
                let origin = trials.run(OriginRounds.self, alpha: alpha, &outcome.digest)
                outcome.rows.append(origin.row(Self.row(dead, alpha, "origin")))
                let standard = trials.run(StandardKademlia.self, alpha: alpha, &outcome.digest)
                outcome.rows.append(standard.row(Self.row(dead, alpha, "standard")))
                let early = trials.run(GoLibp2p.self, alpha: alpha, &outcome.digest)
                outcome.rows.append(early.row(Self.row(dead, alpha, "go-libp2p")))
                try await runEngine(trials, dead, alpha, standard, &outcome)
            }
            let ceiling = trials.run(ExhaustiveSearch.self, alpha: 0, &outcome.digest)
            outcome.rows.append(ceiling.row(Self.row(dead, 0, "exhaustive search")))
        }
        return outcome
    }

    private func runEngine(
        _ trials: Trials, _ dead: Int, _ alpha: Int, _ standard: LookupTally, _ outcome: inout Outcome
    ) async throws {
        let folder = try StoreFolder()
        var cold: LookupTally?
        for memory in memories {
            let bench = EngineBench(trials: trials, folder: folder, memory: memory, earlierLookups: earlierLookups)
            try await bench.prepare()
            let tally = try await bench.run(alpha: alpha, stop: nil, &outcome.digest)
            var row = tally.row(Self.row(dead, alpha, "engine, \(memory.rawValue)"))
            if memory == .cold { cold = tally }
            if dead > 0 { row.measurements.append(Measurement(.timeoutsSaved, tally.saved(against: cold ?? standard))) }
            outcome.rows.append(row)
            guard memory == .tenth, dead >= 500 else { continue }
            let wide = try await bench.run(alpha: alpha, stop: trials.network.configuration.k * 3 / 2, &outcome.digest)
            outcome.rows.append(wide.row(Self.row(dead, alpha, "engine, \(memory.rawValue), stop 1.5 k")))
        }
    }
}
