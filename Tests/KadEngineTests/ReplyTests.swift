import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadEngine

@Suite("Hostile replies") struct ReplyTests {
    /// A peer that answers a lookup with a lie.
    private func lie(
        _ named: (World, Store) throws -> [NamedPeer]
    ) async throws -> (Setting, liar: World.Node, events: [LookupEvent]) {
        let setting = try await Setting(count: 80, known: 80)
        let liar = setting.world.nodes[11]
        setting.world.lies[liar.key] = try named(setting.world, setting.store)
        return (setting, liar, setting.world.lookup(setting.engine, liar.key))
    }

    private func honest(_ world: World, _ range: Range<Int>) -> [NamedPeer] {
        world.nodes[range].map { NamedPeer(id: Array($0.id.bytes), addresses: [$0.address]) }
    }

    private func expectCharged(
        _ setting: Setting, _ liar: World.Node, _ events: [LookupEvent], _ expected: (ReplyFault) -> Bool,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let faults = setting.world.notes.compactMap {
            if case .badReply(let peer, let fault) = $0, peer.key == liar.key { fault } else { nil }
        }
        #expect(faults.count == 1 && faults.allSatisfy(expected), "\(faults)", sourceLocation: location)
        #expect(
            events.contains { if case .failed(let peer, .badResponse) = $0 { peer.key == liar.key } else { false } },
            sourceLocation: location)
        let record = try #require(try setting.store.record(of: liar.key))
        #expect(record.backoff?.lastClass == .badResponse, sourceLocation: location)
        for node in setting.world.nodes where node.key != liar.key {
            #expect(try setting.store.record(of: node.key)?.backoff == nil, sourceLocation: location)
        }
    }

    @Test("thousands of entries are refused as a whole, and charged to the sender")
    func flood() async throws {
        let (setting, liar, events) = try await lie { _, _ in
            (0..<5_000).map { number in
                NamedPeer(
                    id: [0x12, 0x20] + (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) },
                    addresses: [])
            }
        }
        try expectCharged(setting, liar, events) { $0 == .tooManyPeers(5_000) }
        #expect(try setting.store.peers(limit: 4_096).peers.count == 80)
        try await setting.store.close()
    }

    @Test("an id that is none of the network is charged to the sender")
    func malformed() async throws {
        let (setting, liar, events) = try await lie { world, _ in
            honest(world, 0..<5) + [NamedPeer(id: [], addresses: [world.nodes[0].address])]
        }
        try expectCharged(setting, liar, events) { $0 == .malformedID }
        try await setting.store.close()
    }

    @Test("a stated key that is not its id's is charged to the sender, not to the named one")
    func contradiction() async throws {
        let (setting, liar, events) = try await lie { world, _ in
            var named = honest(world, 0..<5)
            named[2].key = [UInt8](repeating: 1, count: 32)
            return named
        }
        try expectCharged(setting, liar, events) { $0 == .contradictoryKey }
        try await setting.store.close()
    }

    @Test("an answer of duplicates alone is charged to the sender")
    func duplicates() async throws {
        let (setting, liar, events) = try await lie { world, _ in
            Array(repeating: honest(world, 0..<1)[0], count: 20)
        }
        try expectCharged(setting, liar, events) { $0 == .mostlyRefused(kept: 1, refused: 19) }
        try await setting.store.close()
    }

    @Test("addresses that nobody may be sent to, and twenty peers at one endpoint, are refused")
    func victims() async throws {
        let victim = try Multiaddr("/ip4/10.99.0.1/tcp/80")
        let multicast = try Multiaddr("/ip4/224.0.0.1/tcp/80")
        let (setting, liar, events) = try await lie { _, _ in
            (0..<20).map { number in
                NamedPeer(
                    id: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32),
                    addresses: [number % 2 == 0 ? victim : multicast])
            }
        }
        try expectCharged(setting, liar, events) {
            if case .mostlyRefused(let kept, _) = $0 { kept == 2 } else { false }
        }
        #expect(try setting.store.peers(limit: 4_096).peers.count == 80)
        try await setting.store.close()
    }

    @Test("ids that libp2p does not have are charged to the sender", arguments: [1, 20, 33, 64, 128])
    func wrongSize(count: Int) async throws {
        let (setting, liar, events) = try await lie { world, _ in
            honest(world, 0..<5) + [NamedPeer(id: [UInt8](repeating: 0x12, count: count), addresses: [])]
        }
        try expectCharged(setting, liar, events) { $0 == .malformedID }
        try await setting.store.close()
    }

    @Test(
        "twenty peers at a victim's name, and sockets of one's own machine, are refused",
        arguments: ["/dns4/VICTIM.example/tcp/443", "/unix/run/d.sock", "/ip6zone/eth0/ip6/fe80::1/tcp/22"])
    func names(text: String) async throws {
        let other = try Multiaddr(text.lowercased())
        let address = try Multiaddr(text)
        let (setting, liar, events) = try await lie { _, _ in
            (0..<20).map { number in
                NamedPeer(
                    id: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32),
                    addresses: [number % 2 == 0 ? address : other])
            }
        }
        try expectCharged(setting, liar, events) {
            if case .mostlyRefused(let kept, _) = $0 { kept <= 2 } else { false }
        }
        try await setting.store.close()
    }

    @Test("the transports of one peer are not the flood of many, and a relay may serve half of an answer")
    func transports() async throws {
        let setting = try await Setting(count: 80, known: 80)
        let teller = setting.world.nodes[11]
        let ip = "/ip4/10.3.3.3"
        let addresses = try ["/tcp/4001", "/udp/4001/quic-v1", "/udp/4001/webrtc-direct", "/tcp/4001/ws"]
            .map { try Multiaddr(ip + $0) }
        let relay = try Multiaddr("/ip4/10.4.4.4/tcp/4001/p2p-circuit")
        let named = (0..<20).map { number in
            NamedPeer(
                id: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32),
                addresses: number == 0 ? addresses : [relay])
        }
        setting.world.lies[teller.key] = named
        _ = setting.world.lookup(setting.engine, teller.key)
        let first = try #require(PeerID(named[0].id))
        #expect(try setting.store.record(of: try setting.store.peer(first).key)?.addresses.count == 4)
        #expect(try setting.store.record(of: teller.key)?.backoff == nil)
        try await setting.store.close()
    }

    @Test("that a peer names itself or us is passed over, and not held against it")
    func own() async throws {
        let setting = try await Setting(count: 80, known: 80)
        let teller = setting.world.nodes[11]
        let own = NamedPeer(
            id: Array(setting.engine.identity.peer.id.bytes), addresses: [try Multiaddr("/ip4/10.1.1.1/tcp/1")])
        let itself = NamedPeer(id: Array(teller.id.bytes), addresses: [teller.address])
        setting.world.lies[teller.key] = [own, itself]
        let events = setting.world.lookup(setting.engine, teller.key)
        #expect(events.contains { if case .answered(let peer, 0, _) = $0 { peer.key == teller.key } else { false } })
        #expect(try setting.store.record(of: teller.key)?.backoff == nil)
        #expect(try setting.store.record(of: setting.engine.identity.peer.key) == nil)
        try await setting.store.close()
    }

    @Test("made-up ids in requests do not fill the store, and a known peer's requests are not written each")
    func strangers() async throws {
        let setting = try await Setting(count: 10, known: 10) { $0.gossip.strangers = 300 }
        let (engine, world) = (setting.engine, setting.world)
        for number in 0..<5_000 {
            let digest = (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) }
            let address = try Multiaddr("/ip4/10.77.\(number >> 8 & 255).\(number & 255)/tcp/4001")
            world.take(
                engine.heard(from: try #require(PeerID([0x12, 0x20] + digest)), address: address, at: world.time))
        }
        try await setting.store.flush()
        #expect(try setting.store.peerCount() == 310)

        let known = world.nodes[0]
        world.advance(5_000)
        world.take(engine.heard(from: known.id, address: nil, at: world.time))
        let seen = try #require(try setting.store.record(of: known.key)?.lastSeen)
        #expect(seen == world.wall)
        world.advance(5_000)
        world.take(engine.heard(from: known.id, address: nil, at: world.time))
        #expect(try setting.store.record(of: known.key)?.lastSeen == seen)
        #expect(engine.table.liveContact(known.key)?.lastSeen == world.wall)
        try await setting.store.close()
    }

    @Test("what one source's quota refuses is learnt from another")
    func refusedThenTold() async throws {
        let setting = try await Setting(count: 80, known: 20) { $0.gossip.perSource = 0 }
        let (engine, world) = (setting.engine, setting.world)
        let named = try setting.peer(world.nodes[50])
        let address = world.nodes[50].address
        _ = engine.handle(world.time) { engine.learn([.init(peer: named, addresses: [address])], from: named, in: nil) }
        #expect(try setting.store.record(of: named.key) == nil)
        let isHeard = engine.upkeep.heardLately(named.key, [address], at: world.uptime)
        #expect(!isHeard)
        try await setting.store.close()
    }

    @Test("one source may bring so many new names in an hour, and no more")
    func quota() throws {
        var quota = GossipQuota(limits: GossipQuota.Limits())
        let source = GossipQuota.Source.peer(Key(1, 0, 0, 0))
        var taken = 0
        for _ in 0..<1_000 where quota.takes(1, from: source, at: Uptime(milliseconds: 5)) { taken += 1 }
        #expect(taken == 200)
        let takesAnother = quota.takes(1, from: .peer(Key(2, 0, 0, 0)), at: Uptime(milliseconds: 5))
        let takesLater = quota.takes(1, from: source, at: Uptime(milliseconds: 3_600_005))
        #expect(takesAnother && takesLater)
    }
}
