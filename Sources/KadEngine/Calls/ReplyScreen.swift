import KadStore
import Kademlia
import Multiformats

/// What made an answer unacceptable.
public enum ReplyFault: Error, Hashable, Sendable {
    /// It names more peers than any honest answer does.
    case tooManyPeers(Int)
    /// An id that is none of this network.
    case malformedID
    /// A stated key that is not the key of its id.
    case contradictoryKey
    /// More of it had to be refused than could be kept: duplicates, the asker, addresses that nobody may be sent to.
    case mostlyRefused(kept: Int, refused: Int)
    /// A value that may not stand under its key.
    case invalidValue
    /// Bytes that are no message, or one that breaks a rule of its protocol.
    case malformedMessage
}

/// Decides what of an answer is believed. What is wrong is charged to the sender, never to those it names: anyone can
/// name anyone.
public struct ReplyScreen: Sendable {
    public struct Limits: Hashable, Sendable {
        /// The most peers that an answer may name: twice Kademlia's k. Honest ones send at most k.
        public var peers = 40
        /// The most providers that are kept of an answer; others are passed over, for how many provide a key is not up to
        /// who answers.
        public var providers = 128
        /// The most addresses that are kept of one named peer.
        public var addressesPerPeer = 16
        /// The most named peers at one endpoint: more would turn lookups into a flood on whoever is there.
        public var peersPerEndpoint = 2
        /// The most named peers at one host (in a public store), or behind one relay: the same flood, spread over ports.
        public var peersPerHost = 10

        public init() {}
    }

    /// A named peer that is believed to have been named.
    public struct Named: Hashable, Sendable {
        public let peer: Peer
        public let addresses: [Multiaddr]
    }

    public struct Screened: Sendable {
        public var named: [Named] = []
        /// Of providers those whose ids are sound, each once, with the addresses that one may be sent to.
        public var content = ReplyContent.none
        public var refused = 0
        public var fault: ReplyFault?
    }

    let limits: Limits
    let store: Store
    let localKey: Key

    /// An answer as a whole: one fault in it, and nothing of it is believed.
    func screen(_ reply: [NamedPeer], _ content: ReplyContent, from sender: Peer) -> Screened {
        var result = screen(reply, from: sender)
        guard result.fault == nil else { return result }
        switch content {
        case .none: break
        case .value: result.content = content
        case .providers(let providers):
            switch screen(providers: providers) {
            case .success(let kept): result.content = .providers(kept)
            case .failure(let fault):
                result.fault = fault
                result.named = []
            }
        }
        return result
    }

    /// Providers are held to less than peers that are to be asked: who answers must be among them when it provides the key
    /// itself, and so may we. One without an address is kept, since its id can be searched for.
    ///
    /// - Complexity: O(providers), bounded by ``Limits/providers``.
    private func screen(providers: [NamedPeer]) -> Result<[NamedPeer], ReplyFault> {
        var ids: Set<PeerID> = []
        var places: [Place: Int] = [:]
        var kept: [NamedPeer] = []
        for entry in providers.prefix(limits.providers) {
            guard let id = PeerID(entry.id), store.network.idEncoding.admits(id) else { return .failure(.malformedID) }
            guard ids.insert(id).inserted else { continue }
            kept.append(NamedPeer(id: entry.id, addresses: admissible(entry.addresses, &places)))
        }
        return .success(kept)
    }

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
        var places: [Place: Int] = [:]
        var tolerated = 0
        for entry in reply {
            guard let id = PeerID(entry.id), store.network.idEncoding.admits(id), let peer = try? store.peer(id) else {
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
            let addresses = admissible(entry.addresses, &places)
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

    /// Where an answer sends others to.
    private enum Place: Hashable {
        case endpoint(Host, port: UInt16)
        case relay(Host)
        case host(Host)
    }

    private enum Host: Hashable {
        case ip(IPAddress)
        /// In small letters.
        case name([UInt8])
    }

    /// The addresses that a node may be sent to: of this scope, each once, not the same place for many peers. One peer may
    /// have several transports at a place.
    private func admissible(_ addresses: [Multiaddr], _ counts: inout [Place: Int]) -> [Multiaddr] {
        var kept: [Multiaddr] = []
        var own: Set<Place> = []
        for address in addresses.prefix(limits.addressesPerPeer) {
            guard isDialable(address), !kept.contains(address) else { continue }
            let places = places(of: address)
            guard places.allSatisfy({ own.contains($0.0) || counts[$0.0, default: 0] < $0.limit }) else { continue }
            for (place, _) in places where own.insert(place).inserted { counts[place, default: 0] += 1 }
            kept.append(address)
        }
        return kept
    }

    /// A host that anyone may reach, and none within or behind it that the scope does not admit. Sockets of this machine are
    /// nobody's to name.
    private func isDialable(_ address: Multiaddr) -> Bool {
        guard store.scope.admits(address) else { return false }
        for component in address.components {
            switch component.name {
            case .ip4, .ip6:
                guard let ip = IPAddress(bytes: component.value), store.scope.admits(ip) else { return false }
            case .unix, .ip6zone, .ipcidr: return false
            case .memory: if store.scope == .public { return false }
            default: break
            }
        }
        return true
    }

    private func places(of address: Multiaddr) -> [(Place, limit: Int)] {
        let host: Host
        if let ip = address.ipAddress {
            host = .ip(ip)
        } else if address.isDNS, let name = address.components.first(where: { _ in true })?.value {
            host = .name(name.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 })
        } else {
            return []
        }
        // Many peers may share a relay: who is sent there is sent to one place, but not all of an answer.
        if address.isRelayed { return [(.relay(host), limits.peersPerHost)] }
        let endpoint: (Place, limit: Int) = (.endpoint(host, port: address.port ?? 0), limits.peersPerEndpoint)
        // A swarm on one machine is what a private store is for.
        return store.scope == .private ? [endpoint] : [endpoint, (.host(host), limits.peersPerHost)]
    }
}
