import Kademlia

extension SimulatedNetwork {
    /// What a node's bucket holds: min(k, all) of the nodes whose keys share exactly `index` bits with its own, drawn
    /// evenly.
    ///
    /// Without churn they were drawn before the deaths, and nobody has been replaced. With churn each bucket is renewed
    /// at its own moment of every refresh interval, from the nodes that were up then; those that left since are still in
    /// it. (Real tables keep those that proved to stay, which is a little better than this.)
    ///
    /// - Returns: nodes in no particular order; empty where there are none.
    public func bucket(_ index: Int, of node: Int, at time: VirtualTime) -> [Int] {
        let key = population.keys[node]
        guard index < Key.bitWidth else { return [] }
        let own = population.places(sharing: index, of: key, in: 0..<count)
        let range = population.places(sharing: index + 1, of: key.flippingBit(index), in: own)
        return contacts(in: range, bucket: index, of: node, at: time)
    }

    /// All contacts of a node, bucket by bucket.
    public func contacts(of node: Int, at time: VirtualTime) -> [[Int]] {
        let key = population.keys[node]
        var branch = 0..<count
        var buckets: [[Int]] = []
        while branch.count > 1, buckets.count < Key.bitWidth {
            let index = buckets.count
            let range = population.places(sharing: index + 1, of: key.flippingBit(index), in: branch)
            buckets.append(contacts(in: range, bucket: index, of: node, at: time))
            branch = population.places(sharing: index + 1, of: key, in: branch)
        }
        return buckets
    }

    /// The contacts of a node that are nearest to a target: what it answers a FIND_NODE with.
    ///
    /// The bucket that the target lies in comes first, then all deeper ones together, then the shallower ones one after
    /// another: no contact of a later group is nearer than one of an earlier.
    ///
    /// - Returns: at most `count` nodes, nearest first, the node itself not among them.
    /// - Complexity: O(k log n) when the first bucket is full.
    public func closestContacts(of node: Int, to target: Key, count: Int, at time: VirtualTime) -> [Int] {
        let key = population.keys[node]
        let first = key.commonPrefixLength(with: target)
        var closest: [Int] = []

        func take(_ contacts: [Int]) {
            var nearest = ClosestPeers<Int>(target: target, capacity: count - closest.count)
            for contact in contacts { nearest.offer(population.keys[contact], contact) }
            closest += nearest.elements
        }

        var branch = 0..<self.count
        var branches: [Range<Int>] = [branch]
        for index in 0..<Key.bitWidth where branch.count > 1 && index < first {
            branch = population.places(sharing: index + 1, of: key, in: branch)
            branches.append(branch)
        }
        func bucket(_ index: Int, in branch: Range<Int>) -> [Int] {
            let range = population.places(sharing: index + 1, of: key.flippingBit(index), in: branch)
            return contacts(in: range, bucket: index, of: node, at: time)
        }

        if branches.count > first { take(bucket(first, in: branches[first])) }
        if closest.count < count, branches.count > first {
            var deeper: [Int] = []
            var branch = branches[first]
            var index = first
            while branch.count > 1, index + 1 < Key.bitWidth {
                branch = population.places(sharing: index + 1, of: key, in: branch)
                index += 1
                deeper += bucket(index, in: branch)
            }
            take(deeper)
        }
        for index in branches.indices.reversed() where index < first && closest.count < count {
            take(bucket(index, in: branches[index]))
        }
        return closest
    }

    /// Min(k, all) nodes of a range.
    private func contacts(in range: Range<Int>, bucket: Int, of node: Int, at time: VirtualTime) -> [Int] {
        var draw = population.draw(of: node, .bucket)[bucket]
        guard let churn = configuration.churn else {
            return Self.sample(configuration.k, of: range, draw) { _ in true }
        }
        let phase = Int64(draw.below(UInt64(churn.refreshInterval)))
        let renewals = (time.microseconds + phase) / churn.refreshInterval
        let renewedAt = VirtualTime(microseconds: renewals * churn.refreshInterval - phase)
        draw = draw[Int(renewals)]
        return Self.sample(configuration.k, of: range, draw) { $0 != node && isUp($0, at: renewedAt) }
    }

    /// At most `count` numbers of a range that pass, drawn evenly without replacement.
    ///
    /// A small range is shuffled as far as needed; a large one is drawn from until enough have passed, at most
    /// ``triesFactor`` times as often as numbers are wanted.
    static func sample(_ count: Int, of range: Range<Int>, _ draw: Draw, where passes: (Int) -> Bool) -> [Int] {
        var generator = draw.generator
        var sample: [Int] = []
        sample.reserveCapacity(min(count, range.count))
        if range.count <= triesFactor * count {
            var rest = Array(range)
            while sample.count < count, !rest.isEmpty {
                let place = generator.below(rest.count)
                if passes(rest[place]) { sample.append(rest[place]) }
                rest.swapAt(place, rest.count - 1)
                rest.removeLast()
            }
            return sample
        }
        for _ in 0..<(triesFactor * count) where sample.count < count {
            let candidate = range.lowerBound + generator.below(range.count)
            if !sample.contains(candidate), passes(candidate) { sample.append(candidate) }
        }
        return sample
    }

    /// A fortieth of a range may be up, and a sample is still full nearly always.
    private static let triesFactor = 8
}
