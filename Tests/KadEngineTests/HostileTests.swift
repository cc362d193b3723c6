import KadStore
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadEngine

/// What somebody can do to others, and to the store, who has few addresses and as many ids as he likes.
@Suite("A hostile network") struct HostileTests {
    private static func id(_ number: Int) throws -> PeerID {
        try #require(PeerID([0x12, 0x20] + (0..<32).map { UInt8(truncatingIfNeeded: (number &* 31) >> ($0 % 24)) }))
    }

    /// A node of a public network that knows nobody, and the clocks that drive it.
    private func node(
        _ files: TemporaryStore, _ world: World, _ change: (inout EngineConfiguration) -> Void = { _ in }
    ) async throws -> (Store, NodeEngine) {
        let store = try await Store.open(files.path, mode: .create(.libp2p, .public))
        var configuration = EngineConfiguration()
        change(&configuration)
        return (store, try await Setting.engine(store, world, configuration))
    }

    @Test("of one /24 with 1,000 ids gets a share of the store, whatever addresses it claims; who comes later has room")
    func strangers() async throws {
        let (files, world) = (TemporaryStore(), try World(count: 1))
        let (store, engine) = try await node(files, world)
        for number in 0..<1_000 {
            // It claims to listen all over the internet.
            let claimed = try Multiaddr("/ip4/\(60 + number % 30).\(number / 250).\(number % 250).1/tcp/4001")
            let remote = try Multiaddr("/ip4/203.0.112.\(number % 250)/tcp/\(1_024 + number)")
            world.take(
                engine.identified(
                    try Self.id(number), agent: "a\(number)", protocols: [], addresses: [claimed], from: remote,
                    serves: true, at: world.time))
        }
        let attackers = try store.peerCount() + store.peers(limit: 4_096).peers.count
        try await store.flush()
        #expect(try store.countPeers() == engine.configuration.gossip.perSource, "\(attackers)")
        for number in 0..<300 {
            let address = try Multiaddr("/ip4/\(100 + number % 20).\(number % 200).7.1/tcp/4001")
            world.take(
                engine.identified(
                    try Self.id(5_000 + number), agent: "kubo", protocols: [], addresses: [address], from: address,
                    serves: true, at: world.time))
        }
        try await store.flush()
        #expect(try store.countPeers() == engine.configuration.gossip.perSource + 300)
        // None of them has answered: in the table they wait behind whoever does.
        #expect(engine.table.buckets.allSatisfy { bucket in bucket.live.allSatisfy { !$0.isVerified } })
        try await store.close()
    }

    @Test("writes so many names in an hour and no more, however often a peer of it changes its own")
    func names() async throws {
        let (files, world) = (TemporaryStore(), try World(count: 1))
        let (store, engine) = try await node(files, world)
        let remote = try Multiaddr("/ip4/203.0.112.9/tcp/4001")
        func identify(_ peer: Int, _ agent: String, _ remote: Multiaddr) throws {
            world.take(
                engine.identified(
                    try Self.id(peer), agent: agent, protocols: [], addresses: [remote], from: remote, serves: true,
                    at: world.time))
        }
        for number in 0..<2_000 { try identify(number % 10, "name \(number)", remote) }
        let agents = try Set(store.peers(limit: 64).peers.compactMap(\.agent))
        #expect(agents.allSatisfy { Int($0.dropFirst(5)) ?? .max < engine.configuration.gossip.perSource })
        let elsewhere = try Multiaddr("/ip4/198.20.0.1/tcp/4001")
        try identify(77, "kubo", elsewhere)
        #expect(try store.record(of: store.peer(Self.id(77)).key)?.agent == "kubo")
        world.advance(engine.configuration.gossip.windowMilliseconds)
        try identify(3, "later", remote)
        #expect(try store.record(of: store.peer(Self.id(3)).key)?.agent == "later")
        try await store.close()
    }

    // MARK: Innocent peers

    @Test("cannot keep a node from a peer by telling of its id at dead addresses first")
    func framedBeforeMet() async throws {
        let setting = try await Setting(count: 60, known: 40)
        let victim = setting.world.nodes[50]
        let peer = try setting.peer(victim)
        let engine = setting.engine
        for number in 1...12 {
            let dead = try Multiaddr("/ip4/10.250.0.\(number)/tcp/9")
            try setting.store.record(.heard(peer, addresses: [dead], source: "attacker", at: setting.world.wall))
            _ = engine.handle(setting.world.time) {
                engine.remember(.failed(peer, address: dead, .refused, at: engine.now))
                var backoff =
                    engine.recall(peer.key).flatMap(engine.current) ?? .clean(at: engine.now)
                backoff.count(.refused, at: engine.now, policy: FailurePolicy(), using: &engine.generator)
                engine.remember(backoff, of: peer)
            }
            setting.world.advance(1_000)
        }
        var record = try #require(try setting.store.record(of: victim.key))
        #expect(record.backoff?.breaker == .open && !engine.isAdmitted(record))
        // Somebody honest tells where it is.
        try setting.store.record(
            .heard(peer, addresses: [victim.address], source: "friend", at: setting.world.wall))
        record = try #require(try setting.store.record(of: victim.key))
        #expect(engine.isAdmitted(record))
        #expect(record.dialableAddresses(at: setting.world.wall, policy: FailurePolicy()).contains(victim.address))
        _ = setting.world.lookup(engine, victim.key)
        #expect(setting.world.dialled.contains(victim.key))
        #expect(try setting.store.record(of: victim.key)?.lastOK != nil)
        try await setting.store.close()
    }

    @Test("gets no dial for an address that is old, and none for a peer that misbehaved")
    func noLaundering() async throws {
        let setting = try await Setting(count: 60, known: 40)
        let engine = setting.engine
        for (node, failure) in [
            (setting.world.nodes[50], FailureClass.refused), (setting.world.nodes[51], .badResponse),
        ] {
            let peer = try setting.peer(node)
            try setting.store.record(.heard(peer, addresses: [node.address], source: "a", at: setting.world.wall))
            setting.world.advance(1_000)
            _ = engine.handle(setting.world.time) {
                engine.remember(.failed(peer, address: node.address, failure, at: engine.now))
                var backoff = BackoffState.clean(at: engine.now)
                for _ in 0..<3 { backoff.count(failure, at: engine.now, using: &engine.generator) }
                engine.remember(backoff, of: peer)
            }
            setting.world.advance(1_000)
            try setting.store.record(.heard(peer, addresses: [node.address], source: "b", at: setting.world.wall))
            #expect(!engine.isAdmitted(try #require(try setting.store.record(of: node.key))))
            let new = try Multiaddr("/ip4/10.9.9.9/tcp/\(node.address.port ?? 0)")
            try setting.store.record(.heard(peer, addresses: [new], source: "b", at: setting.world.wall))
            let isAdmitted = engine.isAdmitted(try #require(try setting.store.record(of: node.key)))
            #expect(isAdmitted == (failure == .refused))
        }
        try await setting.store.close()
    }

    @Test("cannot have an honest peer charged for what it told in good faith: what lives in one network counts once")
    func gossiper() async throws {
        let (files, world) = (TemporaryStore(), try World(count: 4))
        let (store, engine) = try await node(files, world) { $0.maintains = false }
        let honest = try store.peer(world.nodes[0].id)
        try store.record(.heard(honest, addresses: [Multiaddr("/ip4/5.6.7.8/tcp/1")], source: "x", at: world.wall))
        let source = Network.libp2p.idEncoding.encode(honest.id)
        func flip(_ number: Int, _ address: String) throws {
            // It answered the honest peer by one id, and us by another.
            let (peer, place) = (try store.peer(Self.id(number)), try Multiaddr(address))
            try store.record(.heard(peer, addresses: [place], source: source, at: world.wall))
            _ = engine.handle(world.time) { engine.charge(failureOf: peer, .identityMismatch, at: place) }
            world.advance(1_000)
        }
        for number in 0..<50 { try flip(number, "/ip4/203.0.112.\(number)/tcp/4001") }
        let record = try #require(try store.record(of: honest.key))
        #expect(record.backoff?.streakMilli == 1_000 && engine.isAdmitted(record))
        #expect(record.backoff?.breaker == .closed)
        #expect(record.dialableAddresses(at: world.wall, policy: FailurePolicy()).count == 1)
        // Who tells wrong addresses all over the network is a liar.
        for number in 0..<6 { try flip(100 + number, "/ip4/9.\(number).1.1/tcp/4001") }
        #expect(try !engine.isAdmitted(#require(try store.record(of: honest.key))))
        try await store.close()
    }

    // MARK: Early trials

    private func waiting(
        _ setting: Setting, _ node: World.Node, _ failureClass: FailureClass = .refused
    ) throws -> Peer {
        let peer = try setting.peer(node)
        let engine = setting.engine
        _ = engine.handle(setting.world.time) {
            var backoff = BackoffState.clean(at: engine.now)
            backoff.count(failureClass, at: engine.now, using: &engine.generator)
            engine.remember(backoff, of: peer)
        }
        return peer
    }

    private func identify(_ setting: Setting, _ node: World.Node, serves: Bool = true) {
        setting.world.take(
            setting.engine.identified(
                node.id, agent: "kubo", protocols: [], addresses: [node.address], from: node.address, serves: serves,
                at: setting.world.time))
    }

    @Test("aside, a peer that has restarted and comes by itself is asked before its wait is over, and its streak ends")
    func restarted() async throws {
        let setting = try await Setting(count: 30, known: 15) { $0.maintains = true }
        setting.world.run(setting.engine, for: 60_000)
        let node = setting.world.nodes[3]
        _ = try waiting(setting, node)
        #expect(!setting.engine.isAdmitted(try #require(try setting.store.record(of: node.key))))
        let before = setting.world.dialled.count { $0 == node.key }
        identify(setting, node, serves: false)
        setting.world.run(setting.engine, for: 2_000)
        #expect(setting.world.dialled.count { $0 == node.key } == before)
        identify(setting, node)
        setting.world.run(setting.engine, for: 2_000)
        #expect(setting.world.dialled.count { $0 == node.key } == before + 1)
        #expect(setting.engine.isAdmitted(try #require(try setting.store.record(of: node.key))))
        try await setting.store.close()
    }

    @Test(
        "has no use of early trials: one in ten minutes, what fails counts as ever, misbehaviour is served to the end")
    func flapping() async throws {
        let setting = try await Setting(count: 30, known: 15) { $0.maintains = true }
        setting.world.run(setting.engine, for: 60_000)
        let (flapper, liar) = (setting.world.nodes[3], setting.world.nodes[4])
        setting.world.failures[flapper.key] = .refused
        _ = try waiting(setting, flapper)
        for _ in 0..<2 { _ = try waiting(setting, liar, .badResponse) }
        let before = [flapper, liar].map { node in setting.world.dialled.count { $0 == node.key } }
        let notBefore = try #require(try setting.store.record(of: flapper.key)?.backoff?.notBefore)
        for _ in 0..<100 {
            identify(setting, flapper)
            identify(setting, liar)
            setting.world.run(setting.engine, for: 1_000)
        }
        // Once early, and once beside a canary: whether the failure was ours.
        #expect((1...2).contains(setting.world.dialled.count { $0 == flapper.key } - before[0]))
        #expect(setting.world.dialled.count { $0 == liar.key } == before[1])
        #expect(try #require(try setting.store.record(of: flapper.key)?.backoff?.notBefore) >= notBefore)
        try await setting.store.close()
    }

    @Test("or friendly: whom a person names is asked, although it waits")
    func named() async throws {
        for isGuest in [false, true] {
            let setting = try await Setting(count: 60, known: 0) { $0.isGuest = isGuest }
            let node = setting.world.nodes[3]
            let peer = try setting.peer(node)
            try setting.store.record(
                .heard(peer, addresses: [node.address], source: "test", at: setting.world.wall))
            _ = try waiting(setting, node)
            setting.world.take(
                setting.engine.introduce(
                    [(node.id, [node.address])], source: "bootstrap", at: setting.world.time))
            _ = setting.world.lookup(setting.engine, setting.world.nodes[40].key)
            #expect(setting.world.dialled.contains(node.key) == isGuest)
            #expect((try setting.store.record(of: setting.world.nodes[40].key) != nil) == isGuest)
            try await setting.store.close()
        }
    }
}
