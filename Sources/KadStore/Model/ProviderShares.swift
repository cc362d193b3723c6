import Kademlia
import Multiformats

/// Which providers of a key stay where there are more than are kept.
///
/// Each network has the same share, and what one does not use is the others'; of each the newest stay. Were it the newest of
/// all, whoever has one address and as many ids as are kept would displace everybody else. Providers whose place nobody can
/// tell (behind a relay, or with addresses elsewhere than where they came from) have one share together.
enum ProviderShares {
    /// - Parameter groups: of the providers, the newest first.
    /// - Returns: the places in `groups` of those that go.
    /// - Complexity: O(n log n)
    static func surplus(_ groups: [NetworkGroup?], limit: Int) -> [Int] {
        guard groups.count > max(0, limit) else { return [] }
        var counts: [NetworkGroup?: Int] = [:]
        // How many newer ones each has in its own group.
        let ranks = groups.map { group in
            counts[group, default: 0] += 1
            return counts[group, default: 1] - 1
        }
        var left = max(0, limit)
        var share = 0
        // The most that every group may have, as many as it has, within the limit.
        var sizes = counts.values.sorted()[...]
        while let smallest = sizes.first, left >= sizes.count {
            let step = min(smallest - share, left / sizes.count)
            share += step
            left -= step * sizes.count
            sizes = sizes.drop { $0 <= share }
            if step == 0 { break }
        }
        var surplus: [Int] = []
        for (place, rank) in ranks.enumerated() where rank >= share {
            if rank == share, left > 0 {
                left -= 1
            } else {
                surplus.append(place)
            }
        }
        return surplus
    }
}

extension StoredProvider {
    /// The network whose share it is of.
    var shareGroup: NetworkGroup? { isPlaced ? addresses.first?.networkGroup(private: false) : nil }
}
