import Kademlia

/// Values and providers, queued events included.
extension ReadView {
    func value(of key: [UInt8]) throws -> StoredValue? {
        let stored = try reader.value(of: key)
        return switch events(ofValue: key).valueChange(isOwn: stored?.isOwn ?? false) {
        case .put(let value) where try !value.isOwn && stored == nil && reader.isValueDamaged(key): nil
        case .put(let value): value
        case .remove: nil
        case nil: stored
        }
    }

    /// As many providers of a key as are kept, newest first.
    func providers(of key: [UInt8], limit: Int) throws -> [StoredProvider] {
        var byPeer: [Key: StoredProvider] = [:]
        // Room for our own: each of them is in front of the others.
        let stored = try reader.providers(of: key, limit: limit + Self.ownRoom)
        for provider in stored { byPeer[provider.peer.key] = provider }
        for (peer, change) in events(ofValue: key).providerChanges(isOwn: { byPeer[$0]?.isOwn ?? false }) {
            switch change {
            case .put(let provider) where try isRefused(provider, byPeer[peer]): break
            case .put(let provider): byPeer[peer] = provider
            case .remove: byPeer[peer] = nil
            }
        }
        var found = byPeer.values.filter { !$0.isOwn }.sorted(by: StoredProvider.isNewer)
        // As the writer will do.
        for place in ProviderShares.surplus(found.map(\.shareGroup), limit: limit).reversed() {
            found.remove(at: place)
        }
        found += byPeer.values.filter(\.isOwn)
        return found.sorted(by: StoredProvider.isNewer)
    }

    /// As the writer will do: what others say takes the place of no row that is damaged.
    private func isRefused(_ provider: StoredProvider, _ stored: StoredProvider?) throws -> Bool {
        try !provider.isOwn && stored == nil && reader.isProviderDamaged(provider.key, provider.peer.key)
    }

    /// Identities of one file that may provide the same key.
    private static let ownRoom = 64

    /// A page of our own values, in the order of their keys.
    func ownValues(after last: [UInt8]?, limit: Int) throws -> RecordReader.RowPage<StoredValue, [UInt8]> {
        var page = try reader.ownValues(after: last, limit: limit)
        guard !pendingValueKeys.isEmpty else { return page }
        var byKey: [[UInt8]: StoredValue] = [:]
        for value in page.rows { byKey[value.key] = value }
        for key in pendingValueKeys where Self.isBetween(last, page.end, key, { $0.lexicographicallyPrecedes($1) }) {
            switch events(ofValue: key).valueChange(isOwn: byKey[key] != nil) {
            case .put(let value): byKey[key] = value.isOwn ? value : nil
            case .remove: byKey[key] = nil
            case nil: break
            }
        }
        page.rows = byKey.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return page
    }

    /// A page of what this node itself provides.
    func ownProviders(
        after last: ProviderPlace?, limit: Int
    ) throws -> RecordReader.RowPage<StoredProvider, ProviderPlace> {
        var page = try reader.ownProviders(after: last, limit: limit)
        guard !pendingValueKeys.isEmpty else { return page }
        var byPlace: [ProviderPlace: StoredProvider] = [:]
        for provider in page.rows { byPlace[provider.place] = provider }
        for key in pendingValueKeys {
            let changes = events(ofValue: key).providerChanges { byPlace[ProviderPlace(key: key, peer: $0)] != nil }
            for (peer, change) in changes {
                let place = ProviderPlace(key: key, peer: peer)
                guard Self.isBetween(last, page.end, place, <) else { continue }
                if case .put(let provider) = change, provider.isOwn {
                    byPlace[place] = provider
                } else {
                    byPlace[place] = nil
                }
            }
        }
        page.rows = byPlace.values.sorted { $0.place < $1.place }
        return page
    }

    /// Whether a place belongs to a page that begins after `last` and ends with `end`.
    private static func isBetween<Place>(
        _ last: Place?, _ end: Place?, _ place: Place, _ precedes: (Place, Place) -> Bool
    ) -> Bool {
        if let last, !precedes(last, place) { return false }
        if let end, precedes(end, place) { return false }
        return true
    }
}

extension StoredProvider {
    var place: ProviderPlace { ProviderPlace(key: key, peer: peer.key) }

    static func isNewer(_ left: StoredProvider, _ right: StoredProvider) -> Bool {
        (right.receivedAt, left.peer.key) < (left.receivedAt, right.peer.key)
    }
}
