import KadEngine
import KadStore
import Kademlia
import Multiformats

extension KadNode {
    /// Answers what another node asks: from the routing table and the store, without waiting for the disk to be written.
    ///
    /// Whoever asks is not thereby a peer that could be asked: it enters neither table nor store; ``heard(from:at:serves:)`` and
    /// ``identified(_:agent:protocols:addresses:serves:)`` are for that.
    ///
    /// - Parameters:
    ///   - id: whose identity the connection has proven.
    ///   - address: where the connection comes from: what is written is limited for each network group, too.
    /// - Returns: peers with the addresses that are known. This node itself, where it is named, has none: whoever serves adds those
    ///   that it listens on, but not to an answer to ``Query/findNode(_:)``.
    /// - Throws: ``Refusal``.
    /// - Complexity: O(k) reads of the store.
    public func answer(
        _ query: Query, from id: PeerID, at address: Multiaddr? = nil
    ) async throws(Refusal) -> QueryAnswer {
        do throws(Refusal) {
            let answer = try reply(to: query, from: id, at: address)
            metrics.answered(query)
            return answer
        } catch {
            metrics.refused(query, error)
            throw error
        }
    }

    /// A peer sent what is no query, or one that breaks a rule of the protocol. It is charged to the peer as a bad answer is;
    /// of one that is not known, nothing is kept.
    public func violated(by id: PeerID) {
        guard store.network.idEncoding.admits(id), let peer = try? store.peer(id) else { return }
        refuse(.malformedMessage, of: peer)
    }

    private func reply(to query: Query, from id: PeerID, at address: Multiaddr?) throws(Refusal) -> QueryAnswer {
        guard phase != .stopped else { throw .unavailable }
        guard store.network.idEncoding.admits(id), let asker = try? store.peer(id) else { throw .invalid }
        guard quota.takes(.queries(asker.key), at: time.uptime) else { throw .tooMany }
        // It lives. That is news of a contact alone: of others it is open whether they can be asked.
        perform(engine.heard(from: id, address: nil, serves: false, at: time.now))
        do {
            switch query {
            case .ping: return QueryAnswer()
            case .findNode(let key): return try findNode(key, for: asker)
            case .getValue(let key): return try getValue(key, for: asker)
            case .putValue(let key, let value):
                let group = try countWrite(of: asker, at: address)
                guard quota.takes(.groupValues(group), at: time.uptime),
                    quota.takes(.groupValueBytes(group), key.count + value.count, at: time.uptime)
                else { throw Refusal.tooMany }
                return try putValue(key, value, from: asker)
            case .getProviders(let key): return try getProviders(key, for: asker)
            case .addProvider(let key, let providers):
                let group = try countWrite(of: asker, at: address)
                guard quota.takes(.groupProviders(group), at: time.uptime) else { throw Refusal.tooMany }
                return try addProvider(key, providers, from: asker, in: group)
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw .unavailable
        }
    }

    /// - Returns: the network group that the write comes from.
    private func countWrite(of asker: Peer, at address: Multiaddr?) throws(Refusal) -> NetworkGroup? {
        let group = address?.networkGroup(private: store.scope == .private)
        guard quota.takes(.writes(asker.key), at: time.uptime),
            quota.takes(.groupWrites(group), at: time.uptime)
        else { throw .tooMany }
        return group
    }

    // MARK: Peers

    /// The longest key that is searched for: a multihash of 64 bytes with room to spare, and any peer id.
    private static let maximumTargetBytes = 128

    private func findNode(_ bytes: [UInt8], for asker: Peer) throws -> QueryAnswer {
        guard (1...Self.maximumTargetBytes).contains(bytes.count) else { throw Refusal.invalid }
        let target: Key
        switch store.network.derivation {
        case .sha256: target = store.network.target(hashing: bytes)
        case .identity:
            guard bytes.count == store.network.keyByteCount, let key = Key(bytes: bytes) else { throw Refusal.invalid }
            target = key
        }
        var closer = try known(nearest: target, count: limits.peers, besides: [asker.key, target])
        if target == identity.peer.key {
            closer.insert(FoundPeer(peer: identity.peer, addresses: []), at: 0)
        } else if target != asker.key, let record = try store.record(of: target), !record.addresses.isEmpty {
            closer.insert(found(record), at: 0)
        }
        return QueryAnswer(closer: closer)
    }

    private func closer(to key: [UInt8], for asker: Peer) throws(StoreError) -> [FoundPeer] {
        try known(nearest: contentTarget(key).key, count: limits.peers, besides: [asker.key])
    }

    /// Live contacts that have addresses, nearest first.
    func known(nearest key: Key, count: Int, besides others: Set<Key>) throws(StoreError) -> [FoundPeer] {
        var peers: [FoundPeer] = []
        for contact in engine.table.closest(to: key, count: count, where: { !others.contains($0.key) }) {
            guard let record = try store.record(of: contact.key), !record.addresses.isEmpty else { continue }
            peers.append(found(record))
        }
        return peers
    }

    private func found(_ record: PeerRecord) -> FoundPeer {
        FoundPeer(peer: record.peer, addresses: record.addresses.prefix(limits.addresses).map(\.address))
    }

    // MARK: Values

    private func getValue(_ key: [UInt8], for asker: Peer) throws -> QueryAnswer {
        try checkQuery(key)
        return QueryAnswer(closer: try closer(to: key, for: asker), value: try keptValue(key)?.value)
    }

    private func putValue(_ key: [UInt8], _ value: [UInt8], from asker: Peer) throws -> QueryAnswer {
        try checkQuery(key)
        guard value.count <= StoredValue.maximumValueBytes else { throw Refusal.invalid }
        do throws(RecordFault) {
            try validators.validate(key: key, value: value, at: now)
        } catch {
            metrics.refusedValue()
            if error.speaksAgainstSender { refuse(.invalidValue, of: asker) }
            throw Refusal.invalid
        }
        if let kept = try keptValue(key) {
            guard mayReplace(kept, with: value) else { throw Refusal.invalid }
        } else if try store.isHalfFull().values, !isNear(key) {
            throw Refusal.full
        }
        try keep(value, of: key)
        return QueryAnswer(value: value)
    }

    // MARK: Providers

    private func getProviders(_ key: [UInt8], for asker: Peer) throws -> QueryAnswer {
        try checkQuery(key)
        let providers = try store.providers(of: key, limit: limits.providers, at: now).map { provider in
            let told = provider.addresses.isEmpty ? addresses(of: provider.peer.key) : provider.addresses
            return FoundPeer(peer: provider.peer, addresses: Array(told.prefix(limits.addresses)))
        }
        return QueryAnswer(closer: try closer(to: key, for: asker), providers: providers)
    }

    /// Only who provides a key itself may say so; what it says of others is passed over.
    ///
    /// - Parameter group: where its connection comes from. Of its addresses those there stand first: by them its network is
    ///   counted when a key has too many providers, for it cannot have made these up.
    private func addProvider(
        _ key: [UInt8], _ providers: [NamedPeer], from asker: Peer, in group: NetworkGroup?
    ) throws -> QueryAnswer {
        try checkQuery(key)
        let own = providers.prefix(Self.maximumNamed).first { asker.id.bytes.elementsEqual($0.id) }
        guard let own else { throw Refusal.invalid }
        let admitted = own.addresses.prefix(limits.addresses).filter(store.scope.admits)
        let near = admitted.filter { group != nil && $0.networkGroup(private: store.scope == .private) == group }
        let addresses = near + admitted.filter { !near.contains($0) }
        let bytes = addresses.reduce(key.count + asker.id.bytes.count) { $0 + $1.bytes.count }
        guard quota.takes(.groupProviderBytes(group), bytes, at: time.uptime) else { throw Refusal.tooMany }
        guard !addresses.isEmpty || !self.addresses(of: asker.key).isEmpty else { throw Refusal.invalid }
        if try store.isHalfFull().providers, !isNear(key) { throw Refusal.full }
        try store.record(
            .providerStored(
                StoredProvider(
                    key: key, peer: asker, addresses: addresses, isPlaced: !near.isEmpty, receivedAt: now,
                    expiresAt: now.advanced(byMilliseconds: content.providerMilliseconds))))
        return QueryAnswer()
    }

    /// Providers of one message that are looked at: an honest one names itself.
    private static let maximumNamed = 16

    /// Whether this node is among the k nearest to a key, of those whom it knows: where publishers look for room. Where half of
    /// the room is taken, nothing else is kept. What comes last takes the place of what expires first, so otherwise anybody
    /// could have everything forgotten here with valid records of any keys at all.
    ///
    /// - Complexity: O(count + k), as ``RoutingTable/closest(to:count:where:)``
    private func isNear(_ key: [UInt8]) -> Bool {
        let (place, k) = (contentTarget(key).key, engine.configuration.lookup.k)
        let nearest = engine.table.closest(to: place, count: k) { $0.isVerified }
        guard nearest.count >= k, let last = nearest.last else { return true }
        return identity.peer.key.distance(to: place) < last.key.distance(to: place)
    }

    private func checkQuery(_ key: [UInt8]) throws(Refusal) {
        guard (1...StoredValue.maximumKeyBytes).contains(key.count) else { throw .invalid }
    }

    private var limits: ServingLimits { quota.limits }
}

extension Query {
    /// Its name as a label.
    var name: String {
        switch self {
        case .ping: "ping"
        case .findNode: "find-node"
        case .getValue: "get-value"
        case .putValue: "put-value"
        case .getProviders: "get-providers"
        case .addProvider: "add-provider"
        }
    }
}

extension Refusal {
    /// Its name as a label.
    var name: String {
        switch self {
        case .invalid: "invalid"
        case .tooMany: "too-many"
        case .full: "full"
        case .unavailable: "unavailable"
        }
    }
}
