import KadStore
import Kademlia
import Multiformats

/// What made an answer unacceptable.
public enum ReplyFault: Hashable, Sendable {
    /// It names more peers than any honest answer does.
    case tooManyPeers(Int)
    /// An id that is none of this network.
    case malformedID
    /// A stated key that is not the key of its id.
    case contradictoryKey
    /// More of it had to be refused than could be kept: duplicates, the asker, addresses that nobody may be sent to.
    case mostlyRefused(kept: Int, refused: Int)
}

/// Decides what of an answer is believed. What is wrong is charged to the sender, never to those it names: anyone can
/// name anyone.
public struct ReplyScreen: Sendable {
    public struct Limits: Hashable, Sendable {
        /// The most peers that an answer may name: twice Kademlia's k. Honest ones send at most k.
        public var peers = 40
        /// The most addresses that are kept of one named peer.
        public var addressesPerPeer = 16
        /// The most named peers at one endpoint: more would turn lookups into a flood on whoever is there.
        public var peersPerEndpoint = 2

        public init() {}
    }

    /// A named peer that is believed to have been named.
    public struct Named: Hashable, Sendable {
        public let peer: Peer
        public let addresses: [Multiaddr]
    }

    public struct Screened: Sendable {
        public var named: [Named] = []
        public var refused = 0
        public var fault: ReplyFault?
    }

    let limits: Limits
    let store: Store
    let localKey: Key

    /// - Parameter sender: whose answer it is. That it names itself is refused, not held against it: it is the right
    ///   answer to a search for the sender.
    /// - Complexity: O(named), bounded by ``Limits/peers`` whatever was sent.
    func screen(_ reply: [NamedPeer], from sender: Peer) -> Screened {
        var result = Screened()
        guard reply.count <= limits.peers else {
            result.fault = .tooManyPeers(reply.count)
            return result
        }
        var keys: Set<Key> = [sender.key, localKey]
        var endpoints: [Endpoint: Int] = [:]
        var tolerated = 0
        for entry in reply {
            guard let id = PeerID(entry.id), let peer = try? store.peer(id) else {
                result.fault = .malformedID
                continue
            }
            if let stated = entry.key, Key(bytes: stated) != peer.key || stated.count != store.network.keyByteCount {
                result.fault = .contradictoryKey
                continue
            }
            guard keys.insert(peer.key).inserted else {
                result.refused += 1
                if peer.key == sender.key || peer.key == localKey { tolerated += 1 }
                continue
            }
            let addresses = admissible(entry.addresses, &endpoints)
            guard !addresses.isEmpty || entry.addresses.isEmpty else {
                result.refused += 1
                continue
            }
            result.named.append(Named(peer: peer, addresses: addresses))
        }
        if result.fault == nil, result.refused - tolerated > max(result.named.count, 2) {
            result.fault = .mostlyRefused(kept: result.named.count, refused: result.refused)
        }
        if result.fault != nil { result.named = [] }
        return result
    }

    private struct Endpoint: Hashable {
        let address: IPAddress
        let port: UInt16
    }

    /// The addresses that a node may be sent to: of this scope, each once, not the same endpoint for many peers.
    private func admissible(_ addresses: [Multiaddr], _ endpoints: inout [Endpoint: Int]) -> [Multiaddr] {
        var kept: [Multiaddr] = []
        for address in addresses.prefix(limits.addressesPerPeer) {
            guard store.scope.admits(address), !kept.contains(address) else { continue }
            if let ip = address.ipAddress {
                let endpoint = Endpoint(address: ip, port: address.port ?? 0)
                let count = endpoints[endpoint, default: 0]
                guard count < limits.peersPerEndpoint else { continue }
                endpoints[endpoint] = count + 1
            }
            kept.append(address)
        }
        return kept
    }
}
