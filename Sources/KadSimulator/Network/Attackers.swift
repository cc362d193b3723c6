import KadStore
import Kademlia
import Multiformats

/// Nodes that belong to one adversary: they answer everything, and name nobody but each other.
///
/// Their ids were made until the keys fell where the adversary wants them: as many in each of a victim's buckets, as deep
/// as its patience goes. Addresses are what it has to pay for: they lie in few networks.
public struct Attackers: Sendable {
    let population: Population

    /// - Parameters:
    ///   - perBucket: nodes in each bucket of the victim.
    ///   - buckets: how deep. Bucket i takes 2^(i + 1) ids for each node.
    ///   - groups: the networks (/24) that they have.
    public init(
        around victim: Key, perBucket: Int, buckets: Int, groups: Int, outside network: SimulatedNetwork
    ) throws(StoreError) {
        var wanted = Array(repeating: perBucket, count: buckets)
        population = try Population(
            count: perBucket * buckets, groups: groups, firstGroup: Self.firstGroup(outside: network),
            draw: network.draw[.attack],
            tries: perBucket << (buckets + 3)
        ) { key in
            let bucket = victim.commonPrefixLength(with: key)
            guard bucket < wanted.count, wanted[bucket] > 0 else { return false }
            wanted[bucket] -= 1
            return true
        }
    }

    /// Nodes wherever their keys fall: what ids alone get in a network of this size.
    ///
    /// - Parameter groups: the networks (/24) that they have.
    public init(count: Int, groups: Int, outside network: SimulatedNetwork) throws(StoreError) {
        population = try Population(
            count: count, groups: groups, firstGroup: Self.firstGroup(outside: network), draw: network.draw[.attack])
    }

    private static func firstGroup(outside network: SimulatedNetwork) -> Int {
        network.configuration.nodes * network.configuration.groupsPermille / 1_000 + 1
    }

    public var count: Int { population.count }

    func key(of attacker: Int) -> Key { population.keys[attacker] }

    func node(_ key: Key) -> Int? { population.node(key) }

    /// The attackers nearest to a target: the answer to every question.
    func closest(to target: Key, count: Int) -> [Int] {
        var nearest = ClosestPeers<Int>(target: target, capacity: count)
        for attacker in 0..<population.count { nearest.offer(population.keys[attacker], attacker) }
        return nearest.elements
    }
}
