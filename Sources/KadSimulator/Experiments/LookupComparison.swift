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
    /// From here on the lookup is also tried with its stop at 1.5 k live peers.
    static let widenedPermille = 500

    public var name: String { churn == nil ? "lookups" : "lookups-churn" }

    public var title: String {
        let repair = churn == nil ? "before the deaths, no repair" : "every hour from those that are up"
        var words = """
            Lookups among \(nodes) nodes, each bucket min(20, all) peers drawn evenly \(repair); median round trip 100 ms; \
            timeout of the algorithms without memory \(AlgorithmRun.timeout / Span.second) s; history: 9 in 10 dead peers \
            are known to have failed 2 to 6 times
            """
        if memories.contains(.earned) { words += "; earned: after \(earlierLookups) lookups in the hour before" }
        if churn != nil { words += "; half of all sessions last less than 2 h" }
        return words
    }

    public var goals: [Goal] {
        guard churn == nil, let alpha = alphas.max(), memories.contains(.cold) else { return [] }
        var goals: [Goal] = []
        for dead in deadPermille {
            func row(_ memory: Memory, _ more: String = "") -> String {
                Self.row(dead, alpha, "engine, \(memory.rawValue)\(more)")
            }
            let percent = "\(dead / 10) % dead"
            if dead > 0, memories.contains(.history) {
                goals.append(
                    Goal("\(percent): history cuts timeouts", row: row(.history), .timeoutsSaved, .atLeast(0.85)))
            }
            if dead == 200, alpha == 10, memories.contains(.tenth) {
                goals.append(Goal("\(percent), 10 % store: few queries", row: row(.tenth), .queries, .atMost(30)))
                goals.append(Goal("\(percent), 10 % store: recall", row: row(.tenth), .recall, .atLeast(0.99)))
            }
            if dead == Self.widenedPermille {
                for memory in memories where memory != .earned {
                    let title = "\(percent), \(memory.rawValue), stop 1.5 k: recall"
                    goals.append(Goal(title, row: row(memory, Self.widened), .recall, .atLeast(0.97)))
                }
            }
        }
        return goals
    }

    private static let widened = ", stop 1.5 k"

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
            let exhaustive = trials.run(ExhaustiveSearch.self, alpha: 0, &outcome.digest)
            let ceiling = exhaustive.meanRecall
            let folder = try StoreFolder()
            let benches = memories.map { memory in
                EngineBench(trials: trials, folder: folder, memory: memory, earlierLookups: earlierLookups)
            }
            for bench in benches { try await bench.prepare() }
            for alpha in alphas {
                let standard = trials.run(StandardKademlia.self, alpha: alpha, &outcome.digest)
                let others = [
                    ("origin", trials.run(OriginRounds.self, alpha: alpha, &outcome.digest)), ("standard", standard),
                    ("go-libp2p", trials.run(GoLibp2p.self, alpha: alpha, &outcome.digest)),
                ]
                for (name, tally) in others {
                    outcome.rows.append(tally.row(Self.row(dead, alpha, name), ceiling: ceiling))
                }
                outcome.rows += try await engineRows(benches, dead, alpha, standard, ceiling, &outcome.digest)
            }
            outcome.rows.append(exhaustive.row(Self.row(dead, 0, "exhaustive search"), ceiling: ceiling))
        }
        return outcome
    }

    private func engineRows(
        _ benches: [EngineBench], _ dead: Int, _ alpha: Int, _ standard: LookupTally, _ ceiling: Double,
        _ digest: inout TraceDigest
    ) async throws -> [Row] {
        var rows: [Row] = []
        // Without memory the engine is its own measure; where it is left out, the standard algorithm is.
        var baseline = standard
        for bench in benches {
            let name = Self.row(dead, alpha, "engine, \(bench.memory.rawValue)")
            let tally = try await bench.run(alpha: alpha, stop: nil, &digest)
            let isCold = bench.memory == .cold
            if isCold { baseline = tally }
            rows.append(tally.row(name, ceiling: ceiling, baseline: isCold ? nil : baseline))
            guard dead >= Self.widenedPermille, bench.memory != .earned else { continue }
            let stop = bench.trials.network.configuration.k * 3 / 2
            let wide = try await bench.run(alpha: alpha, stop: stop, &digest)
            rows.append(wide.row(name + Self.widened, ceiling: ceiling, baseline: isCold ? nil : baseline))
        }
        return rows
    }
}
