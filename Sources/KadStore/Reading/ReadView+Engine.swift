import Kademlia

/// What a running node remembers beside its peers, queued events included.
extension ReadView {
    /// Held failures in the order of their keys.
    func heldFailures() throws -> [OutageGuard.Held] {
        var byKey: [Key: OutageGuard.Held] = [:]
        for held in try reader.heldFailures() { byKey[held.key] = held }
        for key in pendingPeers {
            var left: OutageGuard.Held??
            for event in events(of: key) { left = event.held ?? left }
            guard let left else { continue }
            do {
                // As the writer will do: nothing is kept of a peer that the store does not have.
                if try !reader.isHeldDamaged(key) { byKey[key] = try isKnown(key) ? left : nil }
            } catch StoreError.corrupt {
                // The events of a damaged row will be dropped.
            }
        }
        var held = Array(byKey.values)
        if held.count > Store.maximumHeldFailures {
            held.sort { ($1.at, $0.key) < ($0.at, $1.key) }
            held.removeLast(held.count - Store.maximumHeldFailures)
        }
        return held.sorted { $0.key < $1.key }
    }

    func witnesses() throws -> (witnesses: [OutageGuard.Witness], canaryAt: Instant?) {
        var latest = (try reader.witnesses(), try reader.canaryAt())
        for case .witnesses(let witnesses, let canaryAt) in otherEvents { latest = (witnesses, canaryAt) }
        return latest
    }

    func sessions() throws -> OnlineTime {
        var online = try reader.sessions()
        for event in otherEvents { event.apply(to: &online) }
        return online
    }

    func lookupHistory() throws -> LookupHistory {
        var history = LookupHistory(totals: try reader.lookupTotals(), recent: try reader.lookups())
        var identities: Set<Int64>?
        for case .lookedUp(var summary) in otherEvents {
            let known = try identities ?? Set(reader.identities().map(\.number))
            identities = known
            if let identity = summary.identity, !known.contains(identity) { summary.identity = nil }
            history.add(summary)
        }
        return history
    }

    func clock() throws -> ClockMark? {
        var clock = try reader.clock()
        for event in otherEvents { event.apply(to: &clock) }
        return clock
    }
}
