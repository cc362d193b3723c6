import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadEngine

@Suite("Failures over the engine") struct FailureTests {
    /// A node that hears from many, so that the outage guard has witnesses: one of them answers every 500 ms.
    private func chat(_ setting: Setting, seconds: Int, with others: [World.Node]) {
        for turn in 0..<(2 * seconds) {
            let node = others[turn % others.count]
            setting.world.take(
                setting.engine.lookup(
                    LookupTarget(key: node.key), options: LookupOptions(configuration: quick), at: setting.world.time
                ).1)
            setting.world.run(setting.engine, for: 500)
        }
    }

    private var quick: Lookup.Configuration {
        var configuration = Lookup.Configuration()
        configuration.k = 2
        configuration.alpha = 2
        return configuration
    }

    @Test("a dead peer is counted when others answer around its failure, and is then not dialled before its time")
    func counted() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let dead = setting.world.nodes[0]
        setting.world.kill(dead.key)
        chat(setting, seconds: 15, with: Array(setting.world.nodes[20..<40]))
        _ = setting.world.lookup(setting.engine, dead.key)
        chat(setting, seconds: 15, with: Array(setting.world.nodes[20..<40]))
        let record = try #require(try setting.store.record(of: dead.key))
        let backoff = try #require(record.backoff)
        #expect(backoff.streakMilli == 1_000)
        #expect(try setting.store.heldFailures().isEmpty)
        #expect(backoff.remaining(at: setting.world.wall) > 0)
        let before = setting.world.dialled.count { $0 == dead.key }
        _ = setting.world.lookup(setting.engine, dead.key)
        #expect(setting.world.dialled.count { $0 == dead.key } == before)
        let explanation = try Explanation(record, in: setting.store, at: setting.world.wall)
        guard case .waits = explanation.verdict else {
            Issue.record("\(explanation)")
            return
        }
        try await setting.store.close()
    }

    @Test("an outage of our own charges nobody, and its failures are taken back")
    func outage() async throws {
        let setting = try await Setting(count: 120, known: 120)
        chat(setting, seconds: 15, with: Array(setting.world.nodes[0..<20]))
        setting.world.isLinkDown = true
        for number in 0..<10 { _ = setting.world.lookup(setting.engine, Key(UInt64(number) << 60, 0, 0, 0)) }
        setting.world.advance(600_000)
        setting.world.isLinkDown = false
        chat(setting, seconds: 60, with: setting.world.nodes)
        setting.world.run(setting.engine, for: 600_000)
        for node in setting.world.nodes {
            let streak = try setting.store.record(of: node.key)?.backoff?.streakMilli ?? 0
            #expect(streak == 0, "\(node.key)")
        }
        try await setting.store.close()
    }

    @Test("a victim's id that is told with a wrong address is not charged for it")
    func framed() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let victim = setting.world.nodes[3]
        // It has proven its own address.
        _ = setting.world.lookup(setting.engine, victim.key)
        let wrong = try Multiaddr("/ip4/10.250.0.1/tcp/9")
        try setting.store.record(
            .heard(try setting.peer(victim), addresses: [wrong], source: "gossip", at: setting.world.wall))
        let engine = setting.engine
        _ = engine.handle(setting.world.time) {
            engine.charge(failureOf: (try? setting.peer(victim))!, .timeout, at: wrong)
        }
        let record = try #require(try setting.store.record(of: victim.key))
        #expect(record.backoff == nil)
        #expect(try setting.store.heldFailures().isEmpty)
        #expect(record.dialableAddresses(at: setting.world.wall, policy: FailurePolicy()) == [victim.address])
        try await setting.store.close()
    }

    @Test("who lives under another's address is the fault of that address and of who told of it, never of the peer")
    func mismatch() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let victim = setting.world.nodes[3]
        let liar = setting.world.nodes[4]
        let wrong = try Multiaddr("/ip4/10.250.0.1/tcp/9")
        let source = Network.libp2p.idEncoding.encode(liar.id)
        try setting.store.record(
            .heard(try setting.peer(victim), addresses: [wrong], source: source, at: setting.world.wall))
        let engine = setting.engine
        _ = engine.handle(setting.world.time) {
            engine.charge(failureOf: (try? setting.peer(victim))!, .identityMismatch, at: wrong)
        }
        #expect(try setting.store.record(of: victim.key)?.backoff == nil)
        #expect(try setting.store.record(of: liar.key)?.backoff?.lastClass == .identityMismatch)
        let record = try #require(try setting.store.record(of: victim.key))
        #expect(record.dialableAddresses(at: setting.world.wall, policy: FailurePolicy()) == [victim.address])
        try await setting.store.close()
    }

    @Test("nobody is charged for an address where the peer once answered, nor the peer for one that it told itself")
    func moved() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let mover = setting.world.nodes[3]
        let teller = setting.world.nodes[4]
        let source = Network.libp2p.idEncoding.encode(teller.id)
        let (proven, own) = (try Multiaddr("/ip4/10.250.0.1/tcp/9"), try Multiaddr("/ip4/10.250.0.2/tcp/9"))
        let (peer, wall) = (try setting.peer(mover), setting.world.wall)
        try setting.store.record(.heard(peer, addresses: [proven], source: source, at: wall))
        try setting.store.record(.answered(peer, address: proven, rtt: 1, at: wall))
        let engine = setting.engine
        setting.world.take(engine.heard(from: mover.id, address: own, at: setting.world.time))
        _ = engine.handle(setting.world.time) {
            engine.charge(failureOf: peer, .identityMismatch, at: proven)
            engine.charge(failureOf: peer, .identityMismatch, at: own)
        }
        #expect(try setting.store.record(of: mover.key)?.backoff == nil)
        #expect(try setting.store.record(of: teller.key)?.backoff == nil)
        try await setting.store.close()
    }

    @Test("a busy peer is left alone for a while, and nothing is held against it")
    func busy() async throws {
        let setting = try await Setting(count: 40, known: 40)
        let busy = setting.world.nodes[0]
        setting.world.failures[busy.key] = .busy
        _ = setting.world.lookup(setting.engine, busy.key)
        let backoff = try #require(try setting.store.record(of: busy.key)?.backoff)
        #expect(backoff.streakMilli == 0 && backoff.remaining(at: setting.world.wall) > 0)
        try await setting.store.close()
    }

    @Test("a broken call is tried again within milliseconds, at most three times, and reported as one")
    func retried() async throws {
        // So few that no bucket is full: the table asks nobody by itself.
        let setting = try await Setting(count: 15, known: 15)
        let flaky = setting.world.nodes[0]
        setting.world.failures[flaky.key] = .reset
        let events = setting.world.lookup(setting.engine, flaky.key)
        #expect(setting.world.dialled.count { $0 == flaky.key } == 4)
        #expect(events.count { if case .failed(let peer, .reset) = $0 { peer.key == flaky.key } else { false } } == 1)
        try await setting.store.close()
    }

    @Test("a failed stream is tried again within milliseconds, and its address stays in use")
    func streams() async throws {
        let setting = try await Setting(count: 15, known: 15)
        let flaky = setting.world.nodes[0]
        setting.world.failures[flaky.key] = .stream
        let events = setting.world.lookup(setting.engine, flaky.key)
        #expect(setting.world.dialled.count { $0 == flaky.key } == 4)
        #expect(events.count { if case .failed(let peer, .stream) = $0 { peer.key == flaky.key } else { false } } == 1)

        let peer = try setting.peer(flaky)
        let address = try #require(try setting.store.record(of: flaky.key)?.addresses.first?.address)
        let other = try Multiaddr("/ip4/10.250.0.1/tcp/9")
        try setting.store.record(.heard(peer, addresses: [other], source: "gossip", at: setting.world.wall))
        func dialable() throws -> Set<Multiaddr> {
            let record = try #require(try setting.store.record(of: flaky.key))
            return Set(record.dialableAddresses(at: setting.world.wall, policy: .standard))
        }
        try setting.store.record(.failed(peer, address: address, .stream, at: setting.world.wall))
        #expect(try dialable() == [address, other])
        try setting.store.record(.failed(peer, address: address, .reset, at: setting.world.wall))
        #expect(try dialable() == [other])
        try await setting.store.close()
    }

    @Test("our own machine's failures charge nobody, and hold back all dialling for a moment")
    func local() async throws {
        let setting = try await Setting(count: 40, known: 40)
        for node in setting.world.nodes { setting.world.failures[node.key] = .local }
        let (_, actions) = setting.engine.lookup(LookupTarget(key: .zero), at: setting.world.time)
        setting.world.take(actions)
        setting.world.run(setting.engine, for: 2_000)
        let early = setting.world.dialled.count
        #expect(early < 120)
        setting.world.failures = [:]
        setting.world.run(setting.engine, for: 30_000)
        for node in setting.world.nodes { #expect(try setting.store.record(of: node.key)?.backoff == nil) }
        try await setting.store.close()
    }

    /// The breaker of a peer is open, and the time for a trial has come.
    private func open(_ node: World.Node, _ setting: Setting) throws {
        let state = BackoffState(
            streakMilli: 5_000, streakAt: setting.world.wall, lastClass: .timeout, breaker: .open, openings: 1,
            openedAt: setting.world.wall)
        try setting.store.record(.backoff(try setting.peer(node), state))
    }

    @Test("two answered trials close a peer's breaker")
    func closing() async throws {
        let setting = try await Setting(count: 40, known: 40)
        let peer = setting.world.nodes[0]
        _ = setting.world.lookup(setting.engine, peer.key)
        try open(peer, setting)
        _ = setting.world.lookup(setting.engine, peer.key)
        let half = try #require(try setting.store.record(of: peer.key)?.backoff)
        #expect(half.breaker == .halfOpen && half.trials == 1)
        #expect(setting.engine.trials == [peer.key])
        _ = setting.world.lookup(setting.engine, peer.key)
        #expect(try setting.store.record(of: peer.key)?.backoff?.breaker == .closed)
        #expect(setting.engine.trials.isEmpty)
        try await setting.store.close()
    }

    @Test("a trial that fails opens the breaker once more")
    func reopening() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let dead = setting.world.nodes[0]
        chat(setting, seconds: 15, with: Array(setting.world.nodes[20..<40]))
        setting.world.kill(dead.key)
        try open(dead, setting)
        _ = setting.world.lookup(setting.engine, dead.key)
        chat(setting, seconds: 15, with: Array(setting.world.nodes[20..<40]))
        let backoff = try #require(try setting.store.record(of: dead.key)?.backoff)
        #expect(backoff.breaker == .open && backoff.openings == 2)
        #expect(setting.engine.trials.isEmpty)
        try await setting.store.close()
    }

    @Test(
        "a redial that says nothing of the peer, or that it lives, charges it nothing",
        arguments: [FailureClass.local, .busy, .identityMismatch])
    func redialled(outcome: FailureClass) async throws {
        let setting = try await Setting(count: 60, known: 60)
        let silent = setting.world.nodes[0]
        setting.world.kill(silent.key)
        _ = setting.world.lookup(setting.engine, silent.key)
        #expect(setting.engine.outage.held.map(\.key) == [silent.key])
        let before = setting.world.dialled.count { $0 == silent.key }
        setting.world.failures[silent.key] = outcome
        setting.world.run(setting.engine, for: 300_000)
        #expect(setting.world.dialled.count { $0 == silent.key } > before)
        #expect(try setting.store.record(of: silent.key)?.backoff?.streakMilli == 0)
        #expect(setting.engine.outage.held.isEmpty == (outcome != .local))
        try await setting.store.close()
    }

    @Test("forgiving in the store is heeded at the next dial")
    func forgiven() async throws {
        let setting = try await Setting(count: 40, known: 40)
        let dead = setting.world.nodes[0]
        setting.world.kill(dead.key)
        _ = setting.world.lookup(setting.engine, dead.key)
        let before = setting.world.dialled.count { $0 == dead.key }
        _ = setting.world.lookup(setting.engine, dead.key)
        #expect(setting.world.dialled.count { $0 == dead.key } == before)
        #expect(try await setting.store.forgive(dead.key) == 1)
        setting.world.revive(dead.key)
        let events = setting.world.lookup(setting.engine, dead.key)
        #expect(events.finish?.closest.first?.peer.key == dead.key)
        try await setting.store.close()
    }
}
