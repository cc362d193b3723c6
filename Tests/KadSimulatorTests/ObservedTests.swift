import KadStore
import Kademlia
import TestSupport
import Testing

@testable import KadSimulator

@Suite("An observed node")
struct ObservedTests {
    private let file = "node.db"

    private func network(_ seed: UInt64, nodes: Int = 250) throws -> SimulatedNetwork {
        try SimulatedNetwork(NetworkConfiguration(nodes: nodes, deadPermille: 150, lossPermille: 10), seed: seed)
    }

    private func node(_ network: SimulatedNetwork, in folder: StoreFolder) throws -> ObservedNode {
        let number = try #require(network.liveNode(network.draw[.lookup], at: .zero))
        return ObservedNode(Internet(network: network), node: number, folder: folder, name: file)
    }

    private func target(_ network: SimulatedNetwork, _ number: Int) -> Key {
        let draw = network.draw[.lookup][1][number]
        return Key(draw[0].bits, draw[1].bits, draw[2].bits, draw[3].bits)
    }

    /// A life with everything in it: warm start, lookups, a crash, a reboot, a good end, another start.
    private func life(seed: UInt64) async throws -> (digest: TraceDigest, dials: Int, failures: Int) {
        let network = try network(seed)
        let node = try node(network, in: StoreFolder())
        try await node.start()
        _ = try await node.lookup(target(network, 0))
        try await node.advance(to: node.now + 2 * Span.minute, limit: 777)
        try await node.crash()
        node.machine.reboot()
        try await node.start()
        _ = try await node.lookup(target(network, 1))
        try await node.advance(by: 10 * Span.minute)
        try await node.stop()
        try await node.start()
        _ = try await node.lookup(target(network, 2))
        try await node.stop()
        return (node.digest, node.tally.dials, node.tally.rightCharges)
    }

    @Test("The same seed gives the same trace, through a crash and two restarts", arguments: Seeds.first(2))
    func determinism(seed: UInt64) async throws {
        let first = try await life(seed: seed)
        let second = try await life(seed: seed)
        #expect(first == second)
        #expect(first.dials > 200 && first.failures > 0)
        #expect(try await life(seed: seed + 100).digest != first.digest)
    }

    /// A sound store, and lookups that find what there is.
    private func expectRight(_ node: ObservedNode, _ network: SimulatedNetwork, _ comment: Comment) async throws {
        let report = try #require(try await node.store?.check(full: true), comment)
        #expect(report.isSound, "\(comment): \(report.problems)")
        for number in 0..<2 {
            let target = target(network, number)
            let outcome = try #require(try await node.lookup(target), comment)
            #expect(outcome.reason == .complete, comment)
            let isAnyDead = outcome.found.contains { key in
                network.node(key).map { !network.isLive($0, at: node.now) } ?? true
            }
            #expect(!isAnyDead, comment)
            // A request in a hundred is lost: a peer or two of the twenty.
            let recall = network.recall(of: outcome.found, target: target, count: 20, asker: node.node, at: node.now)
            #expect(recall >= 0.9, comment)
        }
    }

    @Test("A crash after any event leaves a sound store, and the next life finds what it looks for")
    func crashAnywhere() async throws {
        let network = try network(5)
        let folder = try StoreFolder()
        // Dense where a life begins, then ever wider: the warm start's bootstrap, the first lookups, upkeep.
        var counts = Array(0..<12)
        while let last = counts.last, last < 1_000 { counts.append(last + max(1, last / 3)) }
        for count in counts {
            let node = try node(network, in: folder)
            try await node.start()
            #expect(try await node.advance(to: node.now + Span.hour, limit: count) == count)
            try await node.crash()
            try await node.start()
            try await expectRight(node, network, "crash after \(count) events")
            try await node.stop()
            folder.remove(file)
        }
    }

    @Test("Crashes one after another, each in the middle of what the last left, never damage the store")
    func crashesInARow() async throws {
        let network = try network(6)
        let node = try node(network, in: StoreFolder())
        for count in 0..<60 {
            try await node.start()
            try await node.advance(to: node.now + Span.hour, limit: count * 7 % 50)
            try await node.crash()
            node.machine.now = node.now + Int64(count) * Span.minute
        }
        try await node.start()
        try await expectRight(node, network, "after 60 crashes")
        try await node.stop()
    }

    @Test("What a crash takes is what was not committed: rows of earlier commits are there")
    func committedStays() async throws {
        let network = try network(7)
        let node = try node(network, in: StoreFolder())
        try await node.start()
        _ = try await node.lookup(target(network, 0))
        try await node.store?.commit()
        let before = try #require(try node.store?.peerCount())
        _ = try await node.lookup(target(network, 1))
        try await node.crash()
        try await node.start()
        let after = try #require(try node.store?.peerCount())
        #expect(before > 20 && after >= before)
        try await node.stop()
    }
}
