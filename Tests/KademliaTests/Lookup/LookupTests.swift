import TestSupport
import Testing

@testable import Kademlia

@Suite("A lookup")
struct LookupTests {
    @Test(
        "finds what an engine that keeps everything finds, whatever share of the peers is dead",
        arguments: [0, 20, 50, 90], Seeds.first(4))
    func agreesWithOracle(deadPercent: Int, seed: UInt64) {
        let network = LookupNetwork(size: 2_000, deadPercent: deadPercent, seed: seed)
        var generator = SeededGenerator(seed: seed &+ 77)
        let target = Key.random(using: &generator)
        let local = network.keys[0]
        let known = Set((0..<40).map { _ in network.keys[Int.random(in: 0..<2_000, using: &generator)] })
        var latency = SeededGenerator(seed: seed &+ 5)
        var shell = LookupShell(Lookup(target: target, localKey: local), store: known) { key in
            network.isLive(key)
                ? .answer(network.answer(of: key, to: target), after: .random(in: 20...300, using: &latency)) : .silence
        }
        shell.run()
        #expect(shell.violations.isEmpty)
        #expect(shell.finishes == [.complete] || deadPercent == 90)
        #expect(shell.lookup.closest == shell.oracle(isLive: network.isLive))
    }
}
