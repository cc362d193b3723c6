import Kademlia
import TestSupport
import Testing

@testable import KadSimulator

@Suite("Algorithms that are compared with")
struct AlgorithmTests {
    private func run<Algorithm: LookupAlgorithm>(
        _ algorithm: Algorithm.Type, _ network: SimulatedNetwork, alpha: Int, seed: UInt64
    ) -> (run: AlgorithmRun, recall: Double) {
        let draw = Draw(seed: seed)
        let asker = network.liveNode(draw[0], at: .zero) ?? 0
        let target = Key(draw[1].bits, draw[2].bits, draw[3].bits, draw[4].bits)
        let run = AlgorithmRun(
            algorithm, in: network, from: asker, target: target, alpha: alpha, nonce: seed, at: .zero)
        return (run, network.recall(of: run.result, target: target, count: 20, asker: asker, at: .zero))
    }

    @Test("On a network without faults every algorithm finds all", arguments: Seeds.first(10))
    func perfect(seed: UInt64) throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 1_000), seed: seed)
        for alpha in [3, 10] {
            #expect(run(OriginRounds.self, network, alpha: alpha, seed: seed).recall >= 0.95)
            #expect(run(StandardKademlia.self, network, alpha: alpha, seed: seed).recall == 1)
            #expect(run(GoLibp2p.self, network, alpha: alpha, seed: seed).recall >= 0.95)
        }
        let (exhaustive, recall) = run(ExhaustiveSearch.self, network, alpha: 0, seed: seed)
        #expect(recall == 1 && exhaustive.work.timeouts == 0)
    }

    @Test("In a network no larger than k everybody finds everybody", arguments: Seeds.first(5))
    func tiny(seed: UInt64) throws {
        for nodes in [1, 2, 10, 20] {
            let network = try SimulatedNetwork(NetworkConfiguration(nodes: nodes), seed: seed)
            #expect(run(OriginRounds.self, network, alpha: 3, seed: seed).run.result.count == nodes - 1)
            #expect(run(StandardKademlia.self, network, alpha: 3, seed: seed).run.result.count == nodes - 1)
            #expect(run(GoLibp2p.self, network, alpha: 3, seed: seed).run.result.count == nodes - 1)
        }
    }

    @Test("No algorithm finds more than exhaustive search", arguments: Seeds.first(10))
    func ceiling(seed: UInt64) throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 500, deadPermille: 500), seed: seed)
        let ceiling = run(ExhaustiveSearch.self, network, alpha: 0, seed: seed)
        #expect(run(StandardKademlia.self, network, alpha: 3, seed: seed).recall <= ceiling.recall)
        #expect(run(OriginRounds.self, network, alpha: 10, seed: seed).recall <= ceiling.recall)
        #expect(run(GoLibp2p.self, network, alpha: 10, seed: seed).recall <= ceiling.recall)
    }

    @Test("A dead peer stays in the origin's result, and leaves the standard one's", arguments: Seeds.first(5))
    func dead(seed: UInt64) throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 500, deadPermille: 300), seed: seed)
        func hasDead(_ result: [Key]) -> Bool {
            result.contains { key in network.node(key).map { !network.isLive($0, at: .zero) } ?? true }
        }
        #expect(hasDead(run(OriginRounds.self, network, alpha: 10, seed: seed).run.result))
        #expect(!hasDead(run(StandardKademlia.self, network, alpha: 10, seed: seed).run.result))
    }

    @Test("A round of the origin waits for its slowest peer")
    func rounds() {
        let keys = (1...6).map { Key($0 << 60, 0, 0, 0) }
        var lookup = OriginRounds(target: .zero, localKey: .max, seeds: keys, alpha: 2, k: 20)
        #expect(lookup.start() == [keys[0], keys[1]])
        #expect(lookup.answered(keys[0], naming: [Key(0, 0, 0, 1), .max]) == [])
        #expect(lookup.failed(keys[1]) == [Key(0, 0, 0, 1), keys[2]])
        #expect(lookup.failed(keys[2]) == [])
        #expect(lookup.failed(Key(0, 0, 0, 1)) == [])
        #expect(lookup.isFinished && lookup.result.prefix(2) == [Key(0, 0, 0, 1), keys[0]])
        #expect(lookup.work.queries == 4 && lookup.work.timeouts == 3)
    }

    @Test("go-libp2p ends when its three nearest have answered, and then asks the rest of its result")
    func followUp() {
        let keys = (1...6).map { Key($0 << 60, 0, 0, 0) }
        var lookup = GoLibp2p(target: .zero, localKey: .max, seeds: keys, alpha: 3, k: 5)
        #expect(lookup.start() == Array(keys[0..<3]))
        #expect(lookup.failed(keys[0]) == [keys[3]])
        #expect(lookup.answered(keys[1], naming: [keys[2]]) == [keys[4]])
        #expect(lookup.answered(keys[2], naming: []) == [keys[5]])
        #expect(lookup.answered(keys[3], naming: [Key(15 << 60, 0, 0, 0)]) == [])
        #expect(lookup.result == Array(keys[1..<6]) && !lookup.isFinished)
        #expect(lookup.failed(keys[4]) == [] && lookup.answered(keys[5], naming: []) == [])
        #expect(lookup.isFinished && lookup.result == Array(keys[1..<6]))
    }

    @Test("The same seed gives the same trace and the same figures, another seed another")
    func determinism() async throws {
        let experiment = LookupComparison(nodes: 300, deadPermille: [200], lookups: 5, memories: [])
        let first = try await experiment.run(seed: 1)
        #expect(try await experiment.run(seed: 1) == first)
        #expect(try await experiment.run(seed: 2).digest != first.digest)
        #expect(first.rows.count == 7)
    }
}
