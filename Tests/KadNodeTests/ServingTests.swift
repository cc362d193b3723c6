import KadEngine
import KadStore
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadNode

@Suite("Serving") struct ServingTests {
    @Test("the nearest contacts are named, never the asker; the one that was asked for is first, and one more")
    func findNode() async throws {
        let swarm = try await Swarm(count: 30)
        let asker = swarm.members[7]
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<20 {
            let target = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let answer = try await swarm[0].answer(.findNode(target), from: asker.id)
            let expected = swarm.nearest(target, count: 22).filter { $0 != 0 && $0 != 7 }.prefix(20)
            #expect(answer.closer.map(\.peer.key) == expected.map { swarm.members[$0].key })
            #expect(answer.closer.allSatisfy { $0.addresses.count == 1 })
        }
        // Known to the store alone, it is told, too.
        let stranger = try #require(PeerID([0x12, 0x20] + [UInt8](repeating: 9, count: 32)))
        let address = try Multiaddr("/ip4/10.7.0.1/tcp/4001")
        try swarm.members[0].store.record(
            .heard(
                try swarm.members[0].store.peer(stranger), addresses: [address], source: nil, at: swarm.mesh.now))
        let answer = try await swarm[0].answer(.findNode(Array(stranger.bytes)), from: asker.id)
        #expect(answer.closer.count == 21)
        #expect(answer.closer.first?.peer.id == stranger && answer.closer.first?.addresses == [address])
        // So is a contact, once.
        let contact = try await swarm[0].answer(.findNode(Array(swarm.members[3].id.bytes)), from: asker.id)
        #expect(contact.closer.first?.peer.key == swarm.members[3].key && contact.closer.count == 21)
        #expect(Set(contact.closer.map(\.peer.key)).count == 21)
        // Whoever asks for itself is not told of itself; asked for oneself, one has no address.
        let own = try await swarm[0].answer(.findNode(Array(asker.id.bytes)), from: asker.id)
        #expect(own.closer.count == 20 && !own.closer.contains { $0.peer.key == asker.key })
        let me = try await swarm[0].answer(.findNode(Array(swarm.members[0].id.bytes)), from: asker.id)
        #expect(me.closer.first?.peer.key == swarm.members[0].key && me.closer.first?.addresses == [])
        try await swarm.end()
    }

    @Test("who asks enters neither store nor table; who serves, does; a contact that asks has shown that it lives")
    func clients() async throws {
        let swarm = try await Swarm(count: 3)
        let (node, store) = (swarm[0], swarm.members[0].store)
        let client = try #require(PeerID([0x12, 0x20] + [UInt8](repeating: 9, count: 32)))
        let key = try Network.libp2p.key(of: client)
        let address = try Multiaddr("/ip4/10.7.0.1/tcp/4001")
        for query in [Query.ping, .findNode([1, 2, 3]), .getValue([1, 2]), .getProviders([1])] {
            _ = try await node.answer(query, from: client, at: address)
        }
        await node.heard(from: client, at: address, serves: false)
        await node.identified(
            client, agent: "client", protocols: ["/ipfs/id/1.0.0"], addresses: [address], serves: false)
        #expect(try store.record(of: key) == nil)
        #expect(await node.contactCount == 2)
        await node.identified(
            client, agent: "server", protocols: ["/ipfs/kad/1.0.0"], addresses: [address], serves: true)
        let record = try #require(try store.record(of: key))
        #expect(record.addresses.map(\.address) == [address] && record.agent == "server")
        #expect(record.protocols == ["/ipfs/kad/1.0.0"])
        #expect(await node.contactCount == 3)
        let before = try #require(await node.lastSeen(swarm.members[1].key))
        swarm.mesh.advance(hours: 1)
        _ = try await node.answer(.ping, from: swarm.members[1].id)
        let after = try #require(await node.lastSeen(swarm.members[1].key))
        #expect(after.millisecondsSince(before) >= 3_600_000)
        try await swarm.end()
    }

    @Test("one peer may ask so much and no more, and others are answered nevertheless")
    func limits() async throws {
        var limits = ServingLimits()
        limits.queries = ServingLimits.Rate(perSecond: 0, burst: 20)
        limits.writes = ServingLimits.Rate(perSecond: 0, burst: 3)
        let swarm = try await Swarm(count: 3, serving: limits)
        let (one, other) = (swarm.members[1], swarm.members[2])
        func provide(_ member: Swarm.Member, _ number: Int) async throws {
            let named = NamedPeer(id: Array(member.id.bytes), addresses: [member.address])
            _ = try await swarm[0].answer(
                .addProvider([UInt8(number)], providers: [named]), from: member.id, at: member.address)
        }
        for number in 0..<3 { try await provide(one, number) }
        await #expect(throws: Refusal.tooMany) { try await provide(one, 3) }
        #expect(try swarm.members[0].store.providers(of: [3], at: swarm.mesh.now).isEmpty)
        for _ in 0..<16 { _ = try await swarm[0].answer(.ping, from: one.id) }
        await #expect(throws: Refusal.tooMany) { try await swarm[0].answer(.ping, from: one.id) }
        try await provide(other, 1)
        try await swarm.end()
    }

    @Test("a network group may have so much kept and no more, whatever ids it takes; others may go on")
    func groups() async throws {
        var limits = ServingLimits()
        limits.groupWrites = ServingLimits.Rate(perSecond: 0, burst: 3)
        let swarm = try await Swarm(count: 3, serving: limits)
        func put(_ number: UInt8, from address: String) async throws(Refusal) {
            guard let id = PeerID([0x12, 0x20] + [UInt8](repeating: number, count: 32)) else { throw .invalid }
            _ = try await swarm[0].answer(
                .putValue(key: Array("/test/\(number)".utf8), value: [0x31]), from: id, at: try? Multiaddr(address))
        }
        for number in 1...3 { try await put(UInt8(number), from: "/ip4/10.1.2.1/tcp/1") }
        await #expect(throws: Refusal.tooMany) { try await put(4, from: "/ip4/10.1.2.1/tcp/1") }
        try await put(5, from: "/ip4/10.77.2.5/tcp/1")
        try await swarm.end()
    }
}

@Suite("A flood of valid records") struct FloodTests {
    /// A node that knows 29 others to live, with room for so few records, and senders whom nobody knows.
    private func flooded() async throws -> (Swarm, senders: [PeerID]) {
        var options = StoreOptions()
        options.holdingLimits.values = 40
        options.holdingLimits.providers = 40
        let swarm = try await Swarm(count: 30, options: options)
        for member in swarm.members.dropFirst() { _ = try await swarm[0].ask(.ping, of: member.id) }
        let senders = try (0..<8).map { try #require(PeerID([0x12, 0x20] + [UInt8](repeating: $0, count: 32))) }
        return (swarm, senders)
    }

    private func key(_ kind: String, _ number: Int) -> [UInt8] { Array("/test/\(kind)\(number)".utf8) }

    @Test("fills half of the room, and from then on takes only what this node is among the nearest to")
    func values() async throws {
        let (swarm, senders) = try await flooded()
        let (node, store) = (swarm[0], swarm.members[0].store)
        for number in 0..<25 {
            _ = try await node.answer(.putValue(key: key("old", number), value: [0x31]), from: senders[0])
        }
        try await store.flush()
        var (taken, refused) = (0, 0)
        for number in 0..<200 {
            let key = key("flood", number)
            let isNear = swarm.nearest(key).contains(0)
            do throws(Refusal) {
                _ = try await node.answer(.putValue(key: key, value: [0x31]), from: senders[number % 8])
                #expect(isNear, "\(number)")
                taken += 1
            } catch {
                #expect(error == .full && !isNear, "\(number), \(error)")
                refused += 1
            }
        }
        #expect(taken > 0 && refused > 0)
        // What is kept already is renewed wherever it is.
        for number in 0..<25 where try store.value(key("old", number), at: swarm.mesh.now) != nil {
            _ = try await node.answer(.putValue(key: key("old", number), value: [0x32]), from: senders[0])
        }
        try await swarm.end()
    }

    @Test("of providers is held to the same")
    func providers() async throws {
        let (swarm, senders) = try await flooded()
        let node = swarm[0]
        func provide(_ key: [UInt8], _ sender: PeerID) async throws(Refusal) {
            let address = swarm.members[1].address
            _ = try await node.answer(
                .addProvider(key, providers: [NamedPeer(id: Array(sender.bytes), addresses: [address])]), from: sender)
        }
        for number in 0..<25 { try await provide(key("old", number), senders[0]) }
        try await swarm.members[0].store.flush()
        for number in 0..<100 {
            let key = key("flood", number)
            let isNear = swarm.nearest(key).contains(0)
            do throws(Refusal) {
                try await provide(key, senders[number % 8])
                #expect(isNear, "\(number)")
            } catch {
                #expect(error == .full && !isNear, "\(number), \(error)")
            }
        }
        try await swarm.end()
    }

    @Test("of one network take an eighth of the room at most, by number and by bytes")
    func eighth() async throws {
        let (limits, room, content) = (ServingLimits(), HoldingLimits(), ContentConfiguration())
        func most(_ rate: ServingLimits.Rate, for milliseconds: Int64) -> Int64 {
            rate.burst + rate.perHour * milliseconds / 3_600_000
        }
        #expect(most(limits.groupValues, for: content.valueMilliseconds) <= room.values / 8)
        #expect(most(limits.groupProviders, for: content.providerMilliseconds) <= room.providers / 8)
        let kept = max(content.valueMilliseconds, content.providerMilliseconds)
        #expect(most(limits.groupBytes, for: kept) <= min(room.valueBytes, room.providerBytes) / 8)
        // The limits bind, each by itself; and who asks with another id each time does not have them forgotten.
        var few = ServingLimits()
        few.counted = 64
        (few.groupValues, few.groupProviders) = (.init(perHour: 3_600, burst: 3), .init(perHour: 0, burst: 3))
        few.groupBytes = .init(perHour: 0, burst: 1_000)
        let swarm = try await Swarm(count: 3, serving: few)
        let node = swarm[0]
        func id(_ number: Int) throws -> PeerID {
            try #require(
                PeerID([0x12, 0x20, UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 9, count: 30)))
        }
        func put(_ number: Int, _ bytes: Int = 1, from address: String = "/ip4/10.1.2.1/tcp/1") async throws {
            _ = try await node.answer(
                .putValue(key: Array("/test/\(number)".utf8), value: [UInt8](repeating: 0x31, count: bytes)),
                from: try id(number), at: try Multiaddr(address))
        }
        func provide(_ number: Int, from address: String = "/ip4/10.1.2.1/tcp/1") async throws {
            let provider = NamedPeer(
                id: Array(try id(number).bytes), addresses: [try Multiaddr("/ip4/10.1.2.1/tcp/4001")])
            _ = try await node.answer(
                .addProvider(Array("key \(number)".utf8), providers: [provider]), from: try id(number),
                at: try Multiaddr(address))
        }
        for number in 1...3 {
            try await put(number)
            try await provide(number)
        }
        for number in 100..<400 { _ = try? await node.answer(.ping, from: try id(number)) }
        await #expect(throws: Refusal.tooMany) { try await put(4) }
        await #expect(throws: Refusal.tooMany) { try await provide(4) }
        try await put(5, from: "/ip4/10.77.2.5/tcp/1")
        try await provide(5, from: "/ip4/10.77.2.5/tcp/1")
        await #expect(throws: Refusal.tooMany) { try await put(6, 2_000, from: "/ip4/10.88.2.5/tcp/1") }
        try await swarm.end()
    }
}

extension KadNode {
    func lastSeen(_ key: Key) -> Instant? { engine.table.liveContact(key)?.lastSeen }
}

@Suite("How much may be asked") struct QueryQuotaTests {
    @Test("a bucket lets through what an exact count of it would", arguments: Seeds.first(3))
    func exact(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var limits = ServingLimits()
        limits.queries = ServingLimits.Rate(
            perSecond: Int64.random(in: 1...50, using: &generator), burst: Int64.random(in: 1...50, using: &generator))
        var quota = QueryQuota(limits: limits)
        let rate = Double(limits.queries.perSecond)
        let burst = Double(limits.queries.burst)
        // The oracle counts in fractions; a thousandth is the least that the bucket knows.
        var level: [Key: Double] = [:]
        var last: [Key: Int64] = [:]
        var now: Int64 = 0
        for _ in 0..<3_000 {
            now += Int64.random(in: 0...60, using: &generator)
            let key = Key(UInt64.random(in: 0..<3, using: &generator), 0, 0, 0)
            let elapsed = Double(now - (last[key] ?? now))
            let full = min(burst, (level[key] ?? burst) + elapsed * rate / 1_000)
            let expected = full >= 1 - 1e-9
            level[key] = expected ? full - 1 : full
            last[key] = now
            let taken = quota.takes(.queries(key), at: Uptime(milliseconds: now))
            #expect(taken == expected, "seed \(seed)")
        }
    }

    @Test("however many ask, so many are counted, and whoever asks on stays counted")
    func bounded() {
        var limits = ServingLimits()
        limits.counted = 100
        limits.writes = ServingLimits.Rate(perSecond: 0, burst: 5)
        var quota = QueryQuota(limits: limits)
        let greedy = QueryQuota.Source.writes(Key(7, 0, 0, 0))
        var taken = 0
        for number in 0..<2_000 {
            if number % 10 == 0, quota.takes(greedy, at: Uptime(milliseconds: 0)) { taken += 1 }
            _ = quota.takes(.queries(Key(0, UInt64(number), 0, 0)), at: Uptime(milliseconds: 0))
            #expect(quota.count <= 100)
        }
        #expect(taken == 5)
    }

    @Test("clocks and limits at their ends overflow nothing")
    func extremes() {
        var limits = ServingLimits()
        limits.queries = ServingLimits.Rate(perSecond: .max, burst: .max)
        var quota = QueryQuota(limits: limits)
        for time in [Int64.min, 0, .max, .min, .max] {
            let taken = quota.takes(.queries(.zero), at: Uptime(milliseconds: time))
            #expect(taken)
        }
    }
}

@Suite("Validators") struct ValidatorTests {
    private struct Always: RecordValidator {
        let choice: Int
        func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {}
        func select(key: [UInt8], among values: [[UInt8]]) -> Int { choice }
    }

    @Test("are chosen by the namespace of the key; a key without one, or with another one, has none")
    func namespaces() throws {
        let validators = RecordValidators(["pk": Always(choice: 1), "x": Always(choice: 9)])
        let now = Instant(milliseconds: 0)
        func fault(_ key: String) -> RecordFault? {
            do throws(RecordFault) {
                try validators.validate(key: Array(key.utf8), value: [], at: now)
                return nil
            } catch {
                return error
            }
        }
        #expect(fault("/pk/a") == nil && fault("/pk//") == nil && fault("/x/a/b") == nil)
        for key in ["", "/", "//", "///", "pk", "/pk", "/pk/", "//a", "pk/a"] {
            #expect(fault(key) == .unknownNamespace(nil), "\(key)")
        }
        #expect(fault("/PK/a") == .unknownNamespace("PK") && fault("/ipns/a") == .unknownNamespace("ipns"))
        #expect(validators.select(key: Array("/pk/a".utf8), among: [[1], [2]]) == 1)
        // A choice that is none is no index.
        #expect(validators.select(key: Array("/x/a".utf8), among: [[1], [2]]) == 0)
        #expect(validators.select(key: Array("/y/a".utf8), among: [[1], [2]]) == 0)
    }
}
