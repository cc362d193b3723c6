import KadStore
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadSimulator

@Suite("Simulated network")
struct NetworkTests {
    /// All contacts of a node, by the definition of its buckets.
    private func contacts(_ network: SimulatedNetwork, _ node: Int, _ time: VirtualTime) -> [Int] {
        (0..<Key.bitWidth).flatMap { network.bucket($0, of: node, at: time) }
    }

    @Test("Keys come from ids, ids and addresses are nobody else's", arguments: Seeds.first(3))
    func identities(seed: UInt64) throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 2_000), seed: seed)
        var addresses: Set<Multiaddr> = []
        for node in 0..<network.count {
            let id = try #require(network.id(of: node))
            let key = try Network.libp2p.key(of: id)
            #expect(key == network.key(of: node) && network.node(key) == node)
            let ip = try #require(network.address(of: node).ipAddress)
            #expect(Scope.public.admits(ip))
            addresses.insert(network.address(of: node))
        }
        #expect(addresses.count == network.count)
        #expect(network.node(.zero) == nil)
    }

    @Test("A bucket holds min(k, all) nodes of its range", arguments: Seeds.first(3))
    func buckets(seed: UInt64) throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 700), seed: seed)
        for node in stride(from: 0, to: network.count, by: 37) {
            for index in 0..<20 {
                let range = (0..<network.count).filter {
                    network.key(of: $0).commonPrefixLength(with: network.key(of: node)) == index
                }
                let bucket = network.bucket(index, of: node, at: .zero)
                #expect(bucket.count == min(20, range.count))
                #expect(Set(bucket).count == bucket.count && Set(bucket).isSubset(of: range))
                #expect(bucket == network.bucket(index, of: node, at: VirtualTime(milliseconds: 5)))
            }
        }
    }

    @Test("A node answers with the nearest of all its contacts", arguments: Seeds.first(3))
    func answers(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for churn in [nil, Churn()] {
            let network = try SimulatedNetwork(NetworkConfiguration(nodes: 300, churn: churn), seed: seed)
            let keys = (0..<network.count).map { network.key(of: $0) }
            for _ in 0..<40 {
                let node = generator.below(network.count)
                let target = IndexKeys.target(near: keys, using: &generator)
                let time = VirtualTime(microseconds: Int64(generator.below(Int(Span.day))))
                let known = contacts(network, node, time).map { network.key(of: $0) }
                let named = network.closestContacts(of: node, to: target, count: 20, at: time)
                #expect(named.map { network.key(of: $0) } == bruteForceNearest(known, to: target, count: 20))
            }
        }
    }

    @Test("The oracle finds the nearest live nodes", arguments: Seeds.first(3))
    func oracle(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for dead in [0, 500, 990] {
            let network = try SimulatedNetwork(NetworkConfiguration(nodes: 400, deadPermille: dead), seed: seed)
            let keys = (0..<network.count).map { network.key(of: $0) }
            for _ in 0..<30 {
                let asker = generator.below(network.count)
                let target = IndexKeys.target(near: keys, using: &generator)
                let live = keys.indices.filter { $0 != asker && network.isLive($0, at: .zero) }.map { keys[$0] }
                let nearest = network.nearestLive(to: target, count: 20, asker: asker, at: .zero)
                let expected = bruteForceNearest(live, to: target, count: 20)
                #expect(nearest.map { keys[$0] } == expected)
                #expect(network.recall(of: expected, target: target, count: 20, asker: asker, at: .zero) == 1)
            }
        }
    }

    @Test("As many are dead, lost or refused as asked for")
    func chances() throws {
        let network = try SimulatedNetwork(
            NetworkConfiguration(nodes: 5_000, deadPermille: 200, lossPermille: 100, refusedPermille: 300), seed: 1)
        var (answers, refusals, silences) = (0, 0, 0)
        for node in 0..<network.count {
            switch network.request(from: 0, to: node, nonce: 0, at: .zero) {
            case .answer(let after):
                answers += 1
                #expect((10_000...1_000_000).contains(after))
            case .refusal: refusals += 1
            case .silence: silences += 1
            }
        }
        #expect(abs(answers - 3_600) < 150)
        #expect(abs(refusals - 300) < 60)
        #expect(abs(silences - 1_100) < 120)
    }

    @Test("Half of all sessions under churn last less than two hours, and the network stays as large as it is")
    func churn() throws {
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 400, churn: Churn()), seed: 3)
        let step = 5 * Span.minute
        var sessions: [Int64] = []
        var live: [Int] = Array(repeating: 0, count: Int(4 * Span.day / step))
        for node in 0..<network.count {
            var begin: Int64?
            for moment in live.indices {
                let time = Int64(moment) * step
                let isLive = network.isLive(node, at: VirtualTime(microseconds: time))
                live[moment] += isLive ? 1 : 0
                if isLive, begin == nil, moment > 0 { begin = time }
                if !isLive, let since = begin {
                    sessions.append(time - since)
                    begin = nil
                }
            }
        }
        let short = Double(sessions.count { $0 < 2 * Span.hour }) / Double(sessions.count)
        #expect((0.4...0.75).contains(short))
        // The mean of the habits' availabilities is 57.5 %.
        for count in live { #expect((180...280).contains(count)) }
    }

    @Test("With lifetimes peers never seen before keep coming, and the network does not grow")
    func turnover() throws {
        let churn = Churn(medianLifetime: 2 * Span.day, horizon: 10 * Span.day)
        let network = try SimulatedNetwork(NetworkConfiguration(nodes: 4_000, churn: churn), seed: 4)
        let days = (0...10).map { day in
            (0..<network.count).filter { network.isLive($0, at: VirtualTime(microseconds: Int64(day) * Span.day)) }
        }
        let counts = days.map(\.count)
        #expect((counts.min() ?? 0) > 100 && (counts.max() ?? 0) < 2 * (counts.min() ?? 0))
        var seen: Set<Int> = []
        for day in days {
            let before = seen.count
            seen.formUnion(day)
            #expect(seen.count > before + 20)
        }
    }
}
