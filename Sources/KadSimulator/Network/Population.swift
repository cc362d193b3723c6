import KadStore
import Kademlia
import Multiformats

/// The nodes of a network in the order of their keys. A node is named by its place in that order.
///
/// Ids are libp2p's, keys their SHA-256, so keys are uniform; ids and addresses are drawn anew when they are asked for.
///
/// - Complexity: 36 bytes a node.
struct Population: Sendable {
    let keys: [Key]
    /// The number that a node was drawn by, by its place.
    private let serials: [Int32]
    private let draw: Draw
    private let groups: Int
    private let firstGroup: Int

    /// The most nodes of a population: their numbers fit into an address.
    static let limit = 1 << 21

    /// - Parameters:
    ///   - count: at most ``limit``.
    ///   - groups: the networks (/24) that addresses are drawn from.
    ///   - firstGroup: the number of the first of them.
    ///   - tries: the most ids that are made; nil is one for each node.
    ///   - isWanted: whether a node with this key may be: ids cost nothing, and keys cannot be chosen otherwise.
    init(
        count: Int, groups: Int, firstGroup: Int = 0, draw: Draw, tries: Int? = nil,
        where isWanted: (Key) -> Bool = { _ in true }
    ) throws(StoreError) {
        self.draw = draw
        self.groups = max(1, groups)
        self.firstGroup = firstGroup
        var nodes: [(key: Key, serial: Int32)] = []
        nodes.reserveCapacity(count)
        for serial in 0..<Int32(min(tries ?? count, Self.limit)) where nodes.count < count {
            guard let id = Self.id(serial, draw) else { continue }
            let key = try Network.libp2p.key(of: id)
            if isWanted(key) { nodes.append((key, serial)) }
        }
        nodes.sort { $0.key < $1.key }
        keys = nodes.map(\.key)
        serials = nodes.map(\.serial)
    }

    var count: Int { keys.count }

    /// Luck that is a node's own, whatever the size of the network.
    func draw(of node: Int, _ purpose: Draw.Purpose) -> Draw { draw[purpose][Int(serials[node])] }

    func id(of node: Int) -> PeerID? { Self.id(serials[node], draw) }

    /// The multihash of a SHA-256 digest.
    private static func id(_ serial: Int32, _ draw: Draw) -> PeerID? {
        let identity = draw[.identity][Int(serial)]
        let digest = Key(identity[0].bits, identity[1].bits, identity[2].bits, identity[3].bits)
        return PeerID([0x12, 0x20] + digest.bytes())
    }

    func address(of node: Int) -> Multiaddr {
        let serial = UInt32(bitPattern: serials[node])
        let group = UInt32(firstGroup + draw[.address][Int(serial)].below(groups))
        return Self.address(group: group, serial: serial)
    }

    /// An address in the network with number `group`. Host and port tell the node's number, so no two nodes share one.
    ///
    /// Networks begin at 32.0.0.0, which is routable: a public store admits them.
    static func address(group: UInt32, serial: UInt32) -> Multiaddr {
        let ip = 32 << 24 + (group << 8) + 1 + (serial >> 15 & 0x3f)
        return Multiaddr(ip: .v4(ip), tcp: UInt16(1_024 + serial & 0x7fff))
    }

    /// The node with this key.
    func node(_ key: Key) -> Int? {
        let place = firstPlace(notBefore: key, in: 0..<count)
        return place < count && keys[place] == key ? place : nil
    }

    /// The places in `range` whose keys share the first `length` bits of `key`. `range` must lie within one shorter prefix.
    func places(sharing length: Int, of key: Key, in range: Range<Int>) -> Range<Int> {
        let low = firstPlace(notBefore: key.lowerBound(prefix: length), in: range)
        guard let beyond = key.upperBound(prefix: length).successor else { return low..<range.upperBound }
        return low..<firstPlace(notBefore: beyond, in: low..<range.upperBound)
    }

    private func firstPlace(notBefore key: Key, in range: Range<Int>) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
