import Kademlia

/// How good a routing table is, against what the simulator knows of the network.
struct TableHealth {
    /// The places that a perfect table would fill: of each bucket min(k, live nodes of its range).
    private(set) var places = 0
    /// Of those, the ones that hold a contact that has answered since the start, and is up.
    private(set) var filled = 0

    init(_ table: RoutingTable, of node: Int, in network: SimulatedNetwork, at time: VirtualTime) {
        let k = network.configuration.k
        let own = network.key(of: node)
        let live = table.buckets.flatMap(\.live).filter { contact in
            contact.isVerified && network.node(contact.key).map { network.isLive($0, at: time) } ?? false
        }
        let contacts = Dictionary(grouping: live) { own.commonPrefixLength(with: $0.key) }
        var branch = 0..<network.count
        var index = 0
        while branch.count > 1, index < Key.bitWidth {
            let range = network.population.places(sharing: index + 1, of: own.flippingBit(index), in: branch)
            let wanted = range.lazy.filter { network.isLive($0, at: time) }.prefix(k).count
            places += wanted
            filled += min(wanted, contacts[index]?.count ?? 0)
            branch = network.population.places(sharing: index + 1, of: own, in: branch)
            index += 1
        }
    }

    var share: Double { places > 0 ? Double(filled) / Double(places) : 1 }
}
