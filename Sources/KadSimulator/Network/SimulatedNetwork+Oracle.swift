import Kademlia

extension SimulatedNetwork {
    /// The live nodes that are really nearest to a target: what a lookup should find.
    ///
    /// All nodes that share a prefix with the target are nearer than all others, so the longest prefix with enough live
    /// nodes holds the answer.
    ///
    /// - Parameter asker: a node that does not count, because it looks for others.
    /// - Returns: at most `count` nodes, nearest first.
    public func nearestLive(to target: Key, count: Int, asker: Int?, at time: VirtualTime) -> [Int] {
        var branches: [Range<Int>] = [0..<self.count]
        while let branch = branches.last, branch.count > count, branches.count <= Key.bitWidth {
            branches.append(population.places(sharing: branches.count, of: target, in: branch))
        }
        for branch in branches.reversed() {
            let live = branch.filter { $0 != asker && isLive($0, at: time) }
            guard live.count >= count || branch.count == self.count else { continue }
            var nearest = ClosestPeers<Int>(target: target, capacity: count)
            for node in live { nearest.offer(population.keys[node], node) }
            return nearest.elements
        }
        return []
    }

    /// The share of the live nodes nearest to a target that a lookup has found: 1 when all were.
    public func recall(of found: [Key], target: Key, count: Int, asker: Int?, at time: VirtualTime) -> Double {
        let wanted = nearestLive(to: target, count: count, asker: asker, at: time)
        guard !wanted.isEmpty else { return 1 }
        let found = Set(found)
        return Double(wanted.count { found.contains(population.keys[$0]) }) / Double(wanted.count)
    }
}
