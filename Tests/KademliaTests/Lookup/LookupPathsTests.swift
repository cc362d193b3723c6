import TestSupport
import Testing

@testable import Kademlia

@Suite("Disjoint paths")
struct LookupPathsTests {
    @Test("They share no query, and together find the same", arguments: [2, 3, 5, 16], Seeds.first(3))
    func disjoint(paths: Int, seed: UInt64) {
        let network = LookupNetwork(size: 1_000, deadPercent: 30, seed: seed)
        // Not the network's own sequence: the target would be its first peer.
        var generator = SeededGenerator(seed: seed &+ 77)
        let target = Key.random(using: &generator)
        let configuration = Lookup.Configuration(paths: paths)
        var shell = LookupShell(
            Lookup(target: target, localKey: nil, configuration: configuration), store: Set(network.keys.prefix(100))
        ) {
            network.isLive($0)
                ? .answer(network.answer(of: $0, to: target), after: .random(in: 1...900, using: &generator))
                : .failure(.refused, after: 50)
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(Set(shell.asked).count == shell.asked.count)
        #expect(shell.finishes == [.complete])
        #expect(shell.lookup.closest == shell.oracle(isLive: network.isLive))
        #expect(shell.lookup.closestByPath.count == paths)
        #expect(Set(shell.lookup.closestByPath.joined()).isSuperset(of: shell.lookup.closest))
        // A peer that another path asked counts as one's own: far from d times k queries.
        #expect(shell.lookup.statistics.queries < 20 * paths + 60)
        #expect(shell.lookup.statistics.peakActive <= max(20, paths))
    }

    @Test("What is known at the start is dealt to them in turn, and an answer stays with its path")
    func dealing() {
        var script = LookupScript(.init(k: 3, alpha: 2, paths: 2), knowing: [1, 2, 3, 4, 5, 6])
        #expect(script.lookup.paths.map { $0.frontier.entries.map(\.distance.word3) } == [[1, 3, 5], [2, 4, 6]])
        #expect(script.queries == [1, 2])
        script.answer(2, naming: [1, 3, 9, 0], at: 1)
        #expect(script.lookup.paths[0].frontier.entries.map(\.distance.word3) == [1, 3, 5])
        #expect(script.lookup.paths[1].frontier.entries.map(\.distance.word3) == [0, 1, 2, 3, 4, 6, 9])
        #expect(
            script.lookup.paths[1].frontier.entries.map(\.state) == [.asked, .asked, .answered]
                + Array(repeating: .waiting, count: 4))
        // 1 failed for one path, so for all.
        script.fail(1, at: 2)
        #expect(script.lookup.paths[1].frontier.entries.map(\.distance.word3) == [0, 2, 3, 4, 6, 9])
        #expect(script.queries == [3])
        #expect(script.lookup.paths[1].frontier.entries.map(\.state).prefix(3) == [.asked, .answered, .asked])
    }

    /// An adversary with more live accomplices near the target than k owns what a single path finds, and the union. On a
    /// path that it has no peer on, the honest ones are found all the same.
    @Test("An adversary on one path leads no other astray", arguments: Seeds.first(6))
    func adversary(seed: UInt64) {
        let network = LookupNetwork(size: 800, deadPercent: 10, seed: seed)
        // Not the network's own sequence: the target would be its first peer.
        var generator = SeededGenerator(seed: seed &+ 77)
        let target = Key.random(using: &generator)
        let accomplices = (0..<60).map { _ in target.prefix(24, followedBy: .random(using: &generator)) }
        var honestSeeds = network.keys.filter(network.isLive).shuffled(using: &generator).prefix(70).map { $0 }
        honestSeeds = Oracle.nearest(70, of: honestSeeds, to: target)
        // The adversary's peer is the nearest known, and the first to be asked.
        let entry = target.prefix(20, followedBy: .random(using: &generator))
        let evil = Set(accomplices + [entry])
        let honest = network.nearestLive(20, to: target)

        func run(paths: Int) -> LookupShell {
            var generator = SeededGenerator(seed: seed &+ 9)
            let configuration = Lookup.Configuration(alpha: 3, paths: paths, widening: .none)
            var shell = LookupShell(
                Lookup(target: target, localKey: nil, configuration: configuration), store: nil
            ) { key in
                if evil.contains(key) {
                    return .answer(accomplices.shuffled(using: &generator).prefix(20).map { $0 }, after: 5)
                }
                return network.isLive(key)
                    ? .answer(network.answer(of: key, to: target), after: 100) : .failure(.refused, after: 50)
            }
            shell.offer([entry] + honestSeeds)
            shell.run()
            #expect(shell.violations.isEmpty)
            return shell
        }
        let single = run(paths: 1)
        #expect(single.lookup.closest.allSatisfy(evil.contains))
        #expect(Set(single.asked).intersection(honest).count < 10, "the attack should work on one path")

        let disjoint = run(paths: 3)
        #expect(disjoint.lookup.closestByPath[0].allSatisfy(evil.contains))
        let found = Set(disjoint.lookup.closestByPath[1] + disjoint.lookup.closestByPath[2])
        #expect(found.isDisjoint(with: evil))
        #expect(found.intersection(honest).count >= 18)
    }

    @Test("An adversary that names only silent inventions costs the others nothing", arguments: Seeds.first(3))
    func inventions(seed: UInt64) {
        let network = LookupNetwork(size: 800, deadPercent: 0, seed: seed)
        // Not the network's own sequence: the target would be its first peer.
        var generator = SeededGenerator(seed: seed &+ 77)
        let target = Key.random(using: &generator)
        let entry = target.prefix(30, followedBy: .random(using: &generator))
        let inventions = (0..<40).map { _ in target.prefix(30, followedBy: .random(using: &generator)) }
        let honest = network.nearestLive(20, to: target)
        var shell = LookupShell(
            Lookup(target: target, localKey: nil, configuration: .init(alpha: 4, paths: 2)), store: nil
        ) { key in
            if key == entry { return .answer(inventions, after: 5) }
            return inventions.contains(key) ? .silence : .answer(network.answer(of: key, to: target), after: 100)
        }
        var complete: Int64?
        shell.inspect = { shell, _ in
            // The other path's result, while this one waits for its inventions.
            if complete == nil, shell.lookup.closestByPath[1].count == 20,
                Set(shell.lookup.closestByPath[1]).intersection(honest).count >= 18
            {
                complete = shell.now.milliseconds - 1_000
            }
        }
        shell.offer([entry] + Oracle.nearest(60, of: network.keys.shuffled(using: &generator).prefix(60), to: target))
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.finishes == [.complete])
        #expect(Set(shell.lookup.closest).intersection(honest).count >= 18)
        #expect(complete ?? .max < 5_000, "before the first invention expired")
    }
}
