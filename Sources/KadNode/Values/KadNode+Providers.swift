import KadEngine
import KadStore
import Kademlia
import Multiformats

extension KadNode {
    /// Announces that this node provides a key (for libp2p the multihash of what it provides), and announces it again before
    /// the peers nearest to the key forget it, in this and later lives of the node, until ``stopProviding(_:)``.
    ///
    /// - Throws: ``ContentError/badKey(bytes:)``, ``StoreError``, and `CancellationError` when the task was cancelled or the node
    ///   has ended.
    @discardableResult
    public func provide(_ key: [UInt8]) async throws -> PutReport {
        try checkLength(of: key)
        try store.record(.providerStored(ownProvider(key, isPublished: false)))
        return try await publishing(.provider(key: key)) { try await self.announce(key) }
    }

    /// No longer announces that this node provides a key. Peers forget it in their time.
    public func stopProviding(_ key: [UInt8]) throws(StoreError) {
        try store.record(.providerForgotten(key, peer: identity.peer.key))
    }

    /// Tells the peers nearest to a key that this node provides it.
    func announce(_ key: [UInt8]) async throws -> PutReport {
        let report = try await spread(.addProvider(key), to: contentTarget(key))
        metrics.published("provider", report)
        guard !report.accepted.isEmpty, phase != .stopped, try isProviding(key) else { return report }
        try store.record(.providerStored(ownProvider(key, isPublished: true)))
        return report
    }

    /// Whether this node still provides a key.
    func isProviding(_ key: [UInt8]) throws(StoreError) -> Bool {
        try store.providers(of: key, at: now).contains { $0.isOwn && $0.peer.key == identity.peer.key }
    }

    private func ownProvider(_ key: [UInt8], isPublished: Bool) -> StoredProvider {
        StoredProvider(
            key: key, peer: identity.peer, addresses: [], receivedAt: isPublished ? now : unpublished,
            expiresAt: now.advanced(byMilliseconds: content.providerMilliseconds), isOwn: true)
    }

    /// Who provides a key: those whom this node knows, and those whom a lookup finds, each once. The lookup ends when there are
    /// enough.
    ///
    /// - Parameter limit: how many are enough, 1 at least.
    /// - Returns: in the order in which they were found, with the addresses that were told or are known. A provider without any
    ///   can be searched for (``findPeer(_:)``); this node itself has none.
    public func providers(
        of key: [UInt8], limit: Int = ContentConfiguration.providerCount
    ) async throws -> [FoundPeer] {
        try checkLength(of: key)
        var found = ProviderList(limit: max(1, limit))
        for provider in try store.providers(of: key, limit: max(1, limit), at: now) {
            found.add(provider.peer, provider.addresses)
        }
        if !found.isFull {
            try await follow(contentTarget(key), asking: .providers) { event in
                guard case .found(_, .providers(let providers)) = event else { return false }
                for named in providers {
                    guard let id = PeerID(named.id), let peer = try? store.peer(id) else { continue }
                    found.add(peer, named.addresses)
                }
                return found.isFull
            }
        }
        return found.peers.map { provider in
            guard provider.addresses.isEmpty else { return provider }
            return FoundPeer(peer: provider.peer, addresses: addresses(of: provider.peer.key))
        }
    }

    /// Where a peer is: what is known of it, or what a lookup finds, which ends with the first who knows.
    ///
    /// - Returns: nil when nobody who was reached knows.
    /// - Throws: ``StoreError``, and `CancellationError` when the task was cancelled or the node has ended.
    public func findPeer(_ id: PeerID) async throws -> FoundPeer? {
        let peer = try store.peer(id)
        guard peer.key != identity.peer.key else { return FoundPeer(peer: peer, addresses: []) }
        var known = addresses(of: peer.key)
        if known.isEmpty {
            try await follow(LookupTarget(peer), asking: .peers) { event in
                guard case .answered = event else { return false }
                known = addresses(of: peer.key)
                return !known.isEmpty
            }
        }
        return known.isEmpty ? nil : FoundPeer(peer: peer, addresses: known)
    }

    /// Where the store knows a peer to be, in the order to dial in.
    func addresses(of key: Key) -> [Multiaddr] { (try? store.record(of: key))??.addresses.map(\.address) ?? [] }
}

/// Providers in the order in which they were found, each once.
struct ProviderList {
    let limit: Int
    private(set) var peers: [FoundPeer] = []
    private var places: [Key: Int] = [:]

    init(limit: Int) { self.limit = limit }

    var isFull: Bool { peers.count >= limit }

    /// Somebody who told where a provider is counts more than one who did not.
    mutating func add(_ peer: Peer, _ addresses: [Multiaddr]) {
        if let place = places[peer.key] {
            if peers[place].addresses.isEmpty { peers[place] = FoundPeer(peer: peer, addresses: addresses) }
        } else if !isFull {
            places[peer.key] = peers.count
            peers.append(FoundPeer(peer: peer, addresses: addresses))
        }
    }
}
