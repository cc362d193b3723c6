import KadStore
import Kademlia
import Multiformats

/// A network of nodes that answer lookups, without a state of its own: who is up, what a bucket holds, how long an answer
/// takes are functions of the seed and the time.
///
/// So a network of 100,000 nodes takes a few megabytes, experiments may ask it in any order, and two algorithms that are
/// compared meet the same network.
public struct SimulatedNetwork: Sendable {
    public let configuration: NetworkConfiguration
    let population: Population
    let draw: Draw

    /// - Throws: ``StoreError`` when an id has no key, which does not happen.
    public init(_ configuration: NetworkConfiguration, seed: UInt64) throws(StoreError) {
        self.configuration = configuration
        draw = Draw(seed: seed)
        let groups = configuration.nodes * configuration.groupsPermille / 1_000
        population = try Population(count: configuration.nodes, groups: groups, draw: draw)
    }

    /// The number of nodes, dead ones included. A node is a number below it.
    public var count: Int { population.count }

    public func key(of node: Int) -> Key { population.keys[node] }

    public func id(of node: Int) -> PeerID? { population.id(of: node) }

    /// Where a node can be dialled.
    public func address(of node: Int) -> Multiaddr { population.address(of: node) }

    /// The node with this key.
    public func node(_ key: Key) -> Int? { population.node(key) }

    /// Whether a node is up, and can be dialled.
    public func isLive(_ node: Int, at time: VirtualTime) -> Bool {
        if configuration.unreachablePermille > 0,
            population.draw(of: node, .reach)[0].happens(permille: configuration.unreachablePermille)
        {
            return false
        }
        return isUp(node, at: time)
    }

    /// Whether a node is up: it may be heard from, and named.
    func isUp(_ node: Int, at time: VirtualTime) -> Bool {
        if configuration.deadPermille > 0,
            population.draw(of: node, .death).happens(permille: configuration.deadPermille)
        {
            return false
        }
        return configuration.churn?.isUp(population.draw(of: node, .churn), at: time) ?? true
    }

    /// A node that is up, drawn evenly from all that are; nil when a thousand draws met none.
    public func liveNode(_ draw: Draw, at time: VirtualTime) -> Int? {
        (0..<1_000).lazy.map { draw[$0].below(count) }.first { isLive($0, at: time) }
    }

    /// What becomes of a request.
    public enum Reply: Hashable, Sendable {
        /// An answer, after so many microseconds.
        case answer(after: Int64)
        /// The host refuses, after so many microseconds.
        case refusal(after: Int64)
        /// Nothing.
        case silence
    }

    /// What becomes of a request from one node to another.
    ///
    /// - Parameter nonce: tells requests of one pair apart. Equal ones meet the same luck.
    public func request(from asker: Int, to node: Int, nonce: UInt64, at time: VirtualTime) -> Reply {
        let pair = draw[.latency][asker][node]
        let after = Distribution.lognormal(
            median: roundTrip(from: asker, to: node), sigmaMilli: configuration.jitterSigmaMilli,
            uniform: pair[.jitter][nonce].bits)
        guard isLive(node, at: time) else {
            let refuses = population.draw(of: node, .refusal).happens(permille: configuration.refusedPermille)
            return refuses ? .refusal(after: after) : .silence
        }
        return pair[.loss][nonce].happens(permille: configuration.lossPermille) ? .silence : .answer(after: after)
    }

    /// The typical round-trip time between two nodes in microseconds.
    public func roundTrip(from asker: Int, to node: Int) -> Int64 {
        Distribution.lognormal(
            median: configuration.medianRoundTrip, sigmaMilli: configuration.roundTripSigmaMilli,
            uniform: draw[.latency][asker][node].bits)
    }
}
