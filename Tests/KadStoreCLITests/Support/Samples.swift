import Kademlia
import Multiformats
import Testing

@testable import KadStore

/// Stores with peers of every kind.
enum Samples {
    static let hour: Int64 = 3_600_000
    /// What a hostile peer may call itself: clears the screen, turns the text around, hides, breaks the line.
    static let hostileAgent = "kubo\u{1b}[2J\u{9b}31m\u{202e}txet\u{200b}\u{2066}\u{7}\r\nroot#"

    /// A peer id of libp2p, as Ed25519 keys have them.
    static func id(_ number: Int) throws -> PeerID {
        var random = SeededGenerator(seed: UInt64(number) &+ 1)
        let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        return try #require(PeerID([0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + digest))
    }

    static func text(_ id: PeerID) -> String { PeerIDEncoding.libp2p.encode(id) }

    static func address(_ number: Int) -> Multiaddr {
        Multiaddr(ip: .v4(0x0a00_0000 | UInt32(truncatingIfNeeded: number & 0xff_ffff)), tcp: 4001)
    }

    /// `count` peers: by their number modulo 4, answered lately, answered a week ago, never asked, failing.
    @discardableResult
    static func fill(_ path: String, count: Int, network: Network = .libp2p) async throws -> [Peer] {
        let store = try await Store.open(path, mode: .create(network, .private))
        let now = Instant.systemClock()
        var peers: [Peer] = []
        for number in 0..<count {
            let peer = try store.peer(id(number))
            peers.append(peer)
            let first = now.advanced(byMilliseconds: -10 * 24 * hour)
            let address = address(number)
            try store.record(.heard(peer, addresses: [address], source: "sample", at: first))
            switch number % 4 {
            case 0:
                let at = now.advanced(byMilliseconds: -hour)
                try store.record(.answered(peer, address: address, rtt: 35_000, at: at))
                try store.record(
                    .identified(peer, agent: "kubo/0.30.0", protocols: ["/ipfs/kad/1.0.0", "/ipfs/id/1.0.0"], at: at))
            case 1:
                let at = now.advanced(byMilliseconds: -7 * 24 * hour)
                try store.record(.answered(peer, address: address, rtt: 120_000, at: at))
            case 2: break
            default:
                let at = now.advanced(byMilliseconds: -2 * hour)
                try store.record(.failed(peer, address: address, .timeout, at: at))
                try store.record(
                    .backoff(
                        peer,
                        BackoffState(
                            streakMilli: 1_500, streakAt: at, lastClass: .timeout,
                            notBefore: now.advanced(byMilliseconds: 24 * hour), waitMilliseconds: 26 * hour,
                            outcomes: 0b101, outcomeCount: 3, breaker: .open, openings: 1, openedAt: at)))
            }
            if number % 1_000 == 999 { try await store.flush() }
        }
        try await store.close()
        return peers
    }

    /// Gives a store an identity whose table holds the given peers.
    static func addIdentity(_ path: String, _ peers: [Peer]) async throws -> Identity {
        let store = try await Store.open(path)
        let identity = try await store.identity(id(1_000_000), label: "main")
        let now = Instant.systemClock()
        var table = RoutingTable(localKey: identity.peer.key, configuration: store.tableConfiguration)
        for (number, peer) in peers.enumerated() {
            let group = address(number).networkGroup(private: true)
            _ = table.answered(peer.key, from: group, at: now.advanced(byMilliseconds: Int64(number) - hour))
        }
        for bucket in table.snapshot() { try store.record(.bucket(bucket, identity: identity.number)) }
        try await store.close()
        return identity
    }

    /// ``fill(_:count:network:)`` with four more peers, an identity with its table, lookups, every class of failure, held
    /// failures, candidates and time online: whatever can be counted is there.
    static func fillEverything(_ path: String, count: Int) async throws {
        let peers = try await fill(path, count: count)
        _ = try await addIdentity(path, peers)
        let store = try await Store.open(path)
        let now = Instant.systemClock()
        for (number, failure) in FailureClass.allCases.enumerated() {
            let peer = peers[number]
            let at = now.advanced(byMilliseconds: -Int64(number) * 7 * hour)
            try store.record(.failed(peer, address: address(number), failure, at: at))
        }
        for number in 0..<4 {
            let peer = try store.peer(id(2_000_000 + number))
            let address = Multiaddr(ip: .v6(high: 0x2001_0db8_0001_0000, low: UInt64(number + 1)), udp: 4001)
            try store.record(.heard(peer, addresses: [address], source: "six", at: now))
        }
        for number in 0..<100 {
            try store.record(
                .lookedUp(
                    LookupSummary(
                        finishedAt: now, reason: number < 99 ? .complete : .timeLimit,
                        milliseconds: Int64(number) * 100,
                        queries: 30, answers: 28, failures: 2, timeouts: 1, skipped: 3, hops: 4)))
        }
        try store.record(.online(from: now.advanced(byMilliseconds: -2 * hour), to: now))
        try store.record(.candidateHeard(address(77), source: nil, at: now))
        try await addValues(store, peers[0])
        try await store.close()
    }

    /// Two values, one of them our own, a provider, and a crawl that has ended.
    static func addValues(_ store: Store, _ peer: Peer) async throws {
        let now = Instant.systemClock()
        let later = now.advanced(byMilliseconds: hour)
        for number in 0..<2 {
            let key = Array("/sample/\(number)".utf8)
            try store.record(
                .valueStored(
                    StoredValue(key: key, value: [1, 2, 3], receivedAt: now, expiresAt: later, isOwn: number == 0)))
        }
        try store.record(
            .providerStored(
                StoredProvider(
                    key: [18, 32], peer: peer, addresses: [address(1)], receivedAt: now, expiresAt: later)))
        let crawl = try await store.beginCrawl(at: now).crawl.number
        try store.record(.visited(peer.key, .answered, at: now, crawl: crawl))
        try await store.endCrawl(crawl, isComplete: true, at: now)
    }

    /// A store whose peers and sources have names that a page must not obey.
    static func addHostileNames(_ path: String) async throws -> [String] {
        let names = [
            "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
            "</style></title><b>",
            "&lt;i&gt;&amp;", hostileAgent, "<!-- --><svg onload=alert(1)>", "]]>" + String(repeating: "W", count: 200),
        ]
        let store = try await Store.open(path, mode: .create(.libp2p, .private))
        let now = Instant.systemClock()
        for (number, name) in names.enumerated() {
            let peer = try store.peer(id(number))
            try store.record(.heard(peer, addresses: [address(number)], source: name, at: now))
            try store.record(.identified(peer, agent: name, protocols: [name.filter { $0 != "\r\n" }], at: now))
        }
        _ = try await store.identity(id(99), label: names[1])
        try await store.close()
        return names
    }

    /// Changes a file behind kadstore's back.
    static func execute(_ sql: String, on path: String) throws {
        try Connection(path: path, access: .readWrite).execute(sql)
    }
}
