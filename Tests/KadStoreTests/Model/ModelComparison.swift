import Kademlia
import Multiformats

@testable import KadStore

/// Asks a store all that can be asked, and compares with the model's answers.
struct ModelComparison {
    let store: Store
    let network: Network
    let committed: ModelState
    let visible: ModelState
    let isQueueEmpty: Bool
    let now: Instant
    var random: SeededGenerator

    mutating func run() throws {
        try peers()
        try nearest()
        try rest()
        try values()
        try crawls()
    }

    private mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    private func same<Value: Equatable>(_ what: @autoclosure () -> String, _ found: Value, _ expected: Value) throws {
        try ModelDifference.require(what(), found, expected)
    }

    /// Pages of a listing, put together.
    private func pages<Row, Place>(_ page: (Place?) throws -> (rows: [Row], next: Place?)) throws -> [Row] {
        var all: [Row] = []
        var place: Place?
        repeat {
            let next = try page(place)
            all += next.rows
            place = next.next
        } while place != nil
        return all
    }

    private mutating func filter() -> PeerFilter {
        draw(0...2) == 0 ? .all : ModelGenerator.filter(&random, visible.inKeyOrder.map(\.peer.key) + [.zero], now)
    }

    // MARK: Peers

    private mutating func peers() throws {
        let all = visible.inKeyOrder
        for limit in [draw(1...7), 4_096] {
            let filter = filter()
            let found = try pages { place in
                let page = try store.peers(after: place, limit: limit, where: filter)
                try same("damaged", page.damaged, [])
                return (page.peers, page.next)
            }
            try same(
                "peers by \(limit), \(filter)", found, all.filter { ModelState.accepts(filter, $0) }.map(\.record))
        }
        for key in Set(committed.peers.keys).union(all.map(\.peer.key)).union([.zero]) {
            try same("record of \(key)", try store.record(of: key), visible.peers[key]?.record)
        }
        try same("number of peers", try store.peerCount(), committed.peers.count)
        try same("counted peers", try store.countPeers(), committed.peers.count)
        guard isQueueEmpty, !all.isEmpty else { return }
        let (place, count) = (Key.random(using: &random).lowerBound(prefix: network.keyBits), draw(1...9))
        let around = all.filter { $0.peer.key >= place } + all.filter { $0.peer.key < place }
        try same("sample", try store.sample(at: place, count: count), around.prefix(count).map(\.record))
    }

    private mutating func nearest() throws {
        for round in 0..<4 {
            let keys = committed.peers.keys.sorted()
            let anywhere = Key.random(using: &random)
            let near =
                keys.isEmpty ? anywhere : keys[draw(0...keys.count - 1)].prefix(draw(0...256), followedBy: anywhere)
            let target = (round == 0 ? anywhere : near).lowerBound(prefix: network.keyBits)
            let (filter, count) = (filter(), draw(1...8))
            let expected = visible.nearest(to: target, filter)
            var found: [NearestPeer] = []
            var token: NearestToken?
            repeat {
                let page = try search(target, filter, count, after: token)
                try same("exact", page.isExact, true)
                found += page.peers
                token = page.next
            } while token != nil
            try same("nearest to \(target), \(count) a page, \(filter)", found.map(\.key), expected.map(\.peer.key))
            try same("ids of the nearest", found.map(\.id), expected.map(\.peer.id))
            try same("their addresses", found.map { Array($0.addresses) }, expected.map(\.inDialOrder))
            try hurried(target, filter, count, expected.map(\.peer.key))
        }
    }

    private func search(
        _ target: Key, _ filter: PeerFilter, _ count: Int, maxRows: Int? = nil, after token: NearestToken? = nil
    ) throws -> NearestPage {
        do {
            return try store.nearest(to: target, count: count, where: filter, maxRows: maxRows, after: token)
        } catch {
            throw ModelDifference(
                "nearest \(count) to \(target), \(filter), rows \(maxRows ?? -1), after \(String(describing: token)): \(error)"
            )
        }
    }

    /// A search that may read a few rows only says what is certain; going on from there misses nobody.
    private mutating func hurried(_ target: Key, _ filter: PeerFilter, _ count: Int, _ expected: [Key]) throws {
        let page = try search(target, filter, count, maxRows: draw(1...20))
        let found = page.peers.map(\.key)
        if page.isExact {
            try same("nearest in few rows", found, Array(expected.prefix(count)))
        } else {
            let reached = page.next.map(\.distance)
            let certain = expected.prefix { key in reached.map { key.distance(to: target) <= $0 } ?? false }
            try same("certain ones of the nearest", Array(found.prefix(certain.count)), Array(certain))
            try same("nearest that are none", found.filter { !expected.contains($0) }, [])
        }
    }

    // MARK: The rest

    private mutating func rest() throws {
        let limit = draw(1...5)
        let candidates = try pages { place in
            let page = try store.candidates(after: place, limit: limit)
            return (page.candidates, page.next)
        }
        try same("candidates", candidates, visible.candidates.values.sorted { $0.address < $1.address })
        let stones = try pages { (place: Key?) in
            let page = try store.tombstones(after: place, limit: limit)
            return (page.tombstones, page.next)
        }
        try same("tombstones", stones, visible.tombstones.values.sorted { $0.key < $1.key })
        try same("held", try store.heldFailures(), visible.held.values.sorted { $0.key < $1.key })
        try same("clock", try store.clock(), visible.clock)
        try same("sessions", try store.sessions(), visible.online)
        let witnesses = try store.witnesses()
        try same("witnesses", witnesses.witnesses, visible.witnesses)
        try same("canary", witnesses.canaryAt, visible.canaryAt)
        let lookups = try store.lookupStatistics()
        try same("lookups", lookups.recent, visible.lookups.suffix(1_024))
        try same("sums of lookups", lookups.totals, Self.sorted(visible.lookupTotals))
        try same("identities", try store.identities(), committed.identities)
        for identity in committed.identities {
            let buckets = visible.buckets.filter { $0.key.identity == identity.number }.values.sorted {
                $0.index < $1.index
            }
            try same("buckets of \(identity.number)", try store.buckets(of: identity), buckets)
        }
    }

    private static func sorted(_ totals: [Lookup.FinishReason: LookupTotals]) -> [LookupTotals] {
        totals.values.sorted { $0.reason.rawValue < $1.reason.rawValue }
    }

    private mutating func values() throws {
        let then = now.advanced(byMilliseconds: Int64(draw(-10_000_000...10_000_000)))
        let keys = Set((visible.values.values.map(\.key)) + visible.values.providers.map(\.key)).union([[0]])
        for key in keys {
            for time in [now, then] {
                try same("value of \(key)", try store.value(key, at: time), visible.values.value(key, at: time))
                try same(
                    "providers of \(key)", try store.providers(of: key, at: time),
                    visible.values.providers(of: key, at: time))
            }
        }
        let limit = draw(1...4)
        let ownValues = try pages { place in
            let page = try store.ownValues(after: place, limit: limit)
            return (page.values, page.next)
        }
        try same("own values", ownValues, visible.values.ownValues)
        let ownProviders = try pages { place in
            let page = try store.ownProviders(after: place, limit: limit)
            return (page.providers, page.next)
        }
        try same("own providers", ownProviders, visible.values.ownProviders)
        try same("holdings", try store.holdings(), committed.values.holdings)
    }

    private mutating func crawls() throws {
        try same("running crawl", try store.runningCrawl(), visible.runningCrawl)
        try same("crawls", try store.crawls(), committed.crawls.reversed())
        for key in Set(visible.visits.keys).union([.zero]) {
            try same("visit of \(key)", try store.visit(of: key), visible.visits[key])
        }
        let limit = draw(1...9)
        let unvisited = try pages { place in
            let page = try store.unvisited(after: place, limit: limit)
            return (page.peers, page.next)
        }
        let expected = visible.inKeyOrder.filter { visible.visits[$0.peer.key] == nil }
        try same("unvisited", unvisited.map(\.key), expected.map(\.peer.key))
        try same("their addresses", unvisited.map { Array($0.addresses) }, expected.map(\.inDialOrder))
    }

    // MARK: Statistics

    static func compare(_ found: Statistics, _ state: ModelState, at now: Instant) throws {
        func same<Value: Equatable>(_ what: String, _ found: Value, _ expected: Value) throws {
            try ModelDifference.require("statistics: \(what)", found, expected)
        }
        let peers = Array(state.peers.values)
        try same("peers", found.peers, peers.count)
        try same("answered", found.answered, peers.count { $0.standing == .answered })
        try same("unverified", found.unverified, peers.count { $0.standing == .unverified })
        try same("failing", found.failing, peers.count { $0.standing == .failing })
        try same("backed off", found.backedOff, peers.count { $0.remaining(at: now) > 0 })
        try same("breakers", found.openBreakers, peers.count { ($0.backoff?.breaker ?? .closed) != .closed })
        try same("held", found.heldFailures, state.held.count)
        try same("addresses", found.addresses, peers.reduce(0) { $0 + $1.addresses.count })
        try same("without address", found.peersWithoutAddress, peers.count(where: \.addresses.isEmpty))
        try same("candidates", found.candidates, state.candidates.count)
        try same("tombstones", found.tombstones, state.tombstones.count)
        try same("identities", found.identities, state.identities.count)
        try same("contacts", found.contacts, state.buckets.values.reduce(0) { $0 + $1.live.count })
        try same("replacements", found.replacements, state.buckets.values.reduce(0) { $0 + $1.replacements.count })
        try same("first seen", found.firstSeen, peers.map(\.firstSeen).min())
        try same("last seen", found.lastSeen, peers.map(\.lastSeen).max())
        try same("last ok", found.lastOK, peers.compactMap(\.lastOK).max())
        try same("lookups", found.lookups.recent, state.lookups)
        try same("sums of lookups", found.lookups.totals, sorted(state.lookupTotals))
        try same("holdings", found.holdings, state.values.holdings)
        try same("crawls", found.crawls, state.crawls.reversed())
        var byClass: [String: Int] = [:]
        var (agents, sources): ([String: Int], [String: Int]) = ([:], [:])
        for peer in peers {
            for (place, failures) in peer.failures { byClass[place.failureClass.name, default: 0] += failures.count }
            if let agent = peer.agent { agents[agent, default: 0] += 1 }
            if let source = peer.source { sources[source, default: 0] += 1 }
        }
        for (what, found, expected) in [
            ("failures", found.failures, byClass), ("agents", found.agents, agents),
            ("sources", found.sources, sources),
        ] {
            try same(what, Dictionary(found.map { ($0.name, $0.count) }, uniquingKeysWith: +), expected)
        }
    }
}
