import KadEngine
import Kademlia
import Multiformats

/// All that an observed node can reach: the network, and whoever attacks it.
struct Internet: Sendable {
    let network: SimulatedNetwork
    var attackers: Attackers?

    /// Somebody who can be asked.
    enum Party: Hashable, Sendable {
        case node(Int)
        case attacker(Int)
    }

    func party(_ key: Key) -> Party? {
        network.node(key).map(Party.node) ?? attackers?.node(key).map(Party.attacker)
    }

    func key(of party: Party) -> Key {
        switch party {
        case .node(let node): network.key(of: node)
        case .attacker(let attacker): attackers?.key(of: attacker) ?? .zero
        }
    }

    func address(of party: Party) -> Multiaddr? {
        switch party {
        case .node(let node): network.address(of: node)
        case .attacker(let attacker): attackers?.population.address(of: attacker)
        }
    }

    func id(of party: Party) -> PeerID? {
        switch party {
        case .node(let node): network.id(of: node)
        case .attacker(let attacker): attackers?.population.id(of: attacker)
        }
    }

    func isLive(_ party: Party, at time: VirtualTime) -> Bool {
        switch party {
        case .node(let node): network.isLive(node, at: time)
        case .attacker: true
        }
    }

    /// What becomes of a dial. Only the party's own address leads to it; others lead nowhere.
    func dial(
        _ party: Party, at addresses: [Multiaddr], from asker: Int, nonce: UInt64, time: VirtualTime
    ) -> SimulatedNetwork.Reply {
        guard let address = address(of: party), addresses.contains(address) else { return .silence }
        switch party {
        case .node(let node): return network.request(from: asker, to: node, nonce: nonce, at: time)
        case .attacker: return .answer(after: network.configuration.medianRoundTrip)
        }
    }

    /// Whom a party names to a question.
    func answer(of party: Party, to target: Key, at time: VirtualTime) -> [NamedPeer] {
        let count = network.configuration.k
        let named: [Party] =
            switch party {
            case .node(let node):
                network.closestContacts(of: node, to: target, count: count, at: time).map(Party.node)
            case .attacker: (attackers?.closest(to: target, count: count) ?? []).map(Party.attacker)
            }
        return named.compactMap(name)
    }

    func name(_ party: Party) -> NamedPeer? {
        guard let id = id(of: party), let address = address(of: party) else { return nil }
        return NamedPeer(id: Array(id.bytes), addresses: [address])
    }
}
