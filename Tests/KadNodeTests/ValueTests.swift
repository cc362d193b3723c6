import Foundation
import KadEngine
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadNode

@Suite("Values") struct ValueTests {
    private let key = bytes("/test/name")

    @Test("put by one of thirty nodes, a value is kept by the nearest, and every node gets it")
    func everywhere() async throws {
        let swarm = try await Swarm(count: 30)
        let report = try await swarm[4].put(key: key, value: bytes("1 one"))
        let nearest = swarm.nearest(key, besides: 4)
        #expect(Set(report.accepted.map(\.key)) == Set(nearest.map { swarm.members[$0].key }))
        #expect(report.failed.isEmpty)
        #expect(Set(try swarm.kept(key).keys) == Set(nearest + [4]))
        for number in 0..<30 { #expect(try await swarm[number].get(key: key) == bytes("1 one"), "node \(number)") }
        #expect(try await swarm[7].get(key: bytes("/test/other")) == nil)
        try await swarm.end()
    }

    @Test("the newest value counts, and those near the key that have an older one, or none, are told of it")
    func corrections() async throws {
        let swarm = try await Swarm(count: 30)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let nearest = swarm.nearest(key)
        // One of them has heard of a newer one; another has forgotten what it had.
        let (newer, empty) = (nearest[3], nearest[5])
        _ = try await swarm[newer].answer(.putValue(key: key, value: bytes("2 two")), from: swarm.members[9].id)
        try swarm.members[empty].store.record(.valueForgotten(key))
        let asker = try #require((1..<30).first { !nearest.contains($0) })
        #expect(try await swarm[asker].get(key: key) == bytes("2 two"))
        try await swarm.settle()
        let kept = try swarm.kept(key)
        for number in nearest { #expect(kept[number] == bytes("2 two"), "node \(number)") }
        // Also the one that had published the older one: it does not tell it any more.
        if nearest.contains(0) { #expect(try swarm.members[0].store.value(key, at: swarm.mesh.now)?.isOwn == false) }
        swarm.mesh.forgetRequests()
        #expect(try await swarm[asker].get(key: key) == bytes("2 two"))
        try await swarm.settle()
        #expect(!swarm.mesh.requests.contains { if case .putValue = $0.request { true } else { false } })
        try await swarm.end()
    }

    @Test("with a quorum the lookup ends as soon as so many have a value, and nothing is left under way")
    func quorum() async throws {
        let swarm = try await Swarm(count: 30)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let asker = try #require((1..<30).first { !swarm.nearest(key).contains($0) })
        swarm.mesh.forgetRequests()
        #expect(try await swarm[asker].get(key: key, quorum: 2) == bytes("1 one"))
        try await swarm.settle()
        let early = swarm.mesh.requests.count { if case .getValue = $0.request { true } else { false } }
        swarm.mesh.forgetRequests()
        _ = try await swarm[asker].get(key: key)
        let whole = swarm.mesh.requests.count { if case .getValue = $0.request { true } else { false } }
        #expect(early >= 2 && whole >= 20)
        try await swarm.end()
    }

    @Test("a lookup that ended early tells whom it saw to have an older value, and nobody who may be far from the key")
    func earlyCorrection() async throws {
        let swarm = try await Swarm(count: 30)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let nearest = swarm.nearest(key)
        let asker = try #require((1..<30).first { !nearest.contains($0) })
        // One of them keeps the older value, all others have a newer one, or none.
        let (older, empty) = (nearest[1], nearest[0])
        for number in nearest where number != older {
            let event: StoreEvent =
                number == empty ? .valueForgotten(key) : .valueStored(newer(at: swarm.mesh.now))
            try swarm.members[number].store.record(.valueForgotten(key))
            try swarm.members[number].store.record(event)
        }
        swarm.mesh.forgetRequests()
        #expect(try await swarm[asker].get(key: key, quorum: 6) == bytes("2 two"))
        try await swarm.settle()
        let told = swarm.mesh.requests.filter { if case .putValue = $0.request { true } else { false } }
        #expect(Set(told.map(\.to)).isSubset(of: [swarm.members[older].key]))
        #expect(try swarm.members[empty].store.value(key, at: swarm.mesh.now) == nil)
        try await swarm.end()
    }

    private func newer(at now: Instant, isOwn: Bool = false) -> StoredValue {
        StoredValue(
            key: key, value: bytes("2 two"), receivedAt: now, expiresAt: now.advanced(byMilliseconds: 3_600_000),
            isOwn: isOwn)
    }

    @Test(
        "what is put while a lookup for the same key runs is neither forgotten nor passed over",
        arguments: [true, false])
    func overtaken(isKnown: Bool) async throws {
        let swarm = try await Swarm(count: 30)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let nearest = swarm.nearest(key)
        let asker = try #require((1..<30).first { !nearest.contains($0) })
        let (store, now) = (swarm.members[asker].store, swarm.mesh.now)
        if isKnown {
            let old = StoredValue(key: key, value: bytes("0 old"), receivedAt: now, expiresAt: now, isOwn: true)
            try store.record(.valueStored(old))
        }
        swarm.mesh.advance(hours: 1)
        let own = newer(at: swarm.mesh.now, isOwn: true)
        swarm.mesh.lie(swarm.members[nearest[2]].key) { request in
            if case .getValue = request { try? store.record(.valueStored(own)) }
            return nil
        }
        #expect(try await swarm[asker].get(key: key) == bytes("2 two"))
        try await swarm.settle()
        let kept = try #require(try store.value(key, at: swarm.mesh.now))
        #expect(kept.isOwn && kept.value == bytes("2 two"))
        #expect(try swarm.kept(key)[nearest[0]] == bytes("2 two"))
        try await swarm.end()
    }

    @Test("our own value that has run out gives way to any that is valid, which is kept")
    func runOut() async throws {
        let swarm = try await Swarm(count: 2)
        let (own, now) = (swarm.members[0], swarm.mesh.now)
        try own.store.record(
            .valueStored(
                StoredValue(key: key, value: bytes("9 expired"), receivedAt: now, expiresAt: now, isOwn: true)))
        _ = try await own.node.answer(.putValue(key: key, value: bytes("2 two")), from: swarm.members[1].id)
        let kept = try #require(try own.store.value(key, at: swarm.mesh.now))
        #expect(kept.value == bytes("2 two") && !kept.isOwn)
        try await swarm.end()
    }

    @Test("one's own copy is enough while it is fresh, and is looked up again when it is not")
    func fresh() async throws {
        let swarm = try await Swarm(count: 10)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        swarm.mesh.forgetRequests()
        #expect(try await swarm[1].get(key: key) == bytes("1 one"))
        #expect(swarm.mesh.requests.isEmpty)
        swarm.mesh.advance(hours: 1)
        _ = try await swarm[2].answer(.putValue(key: key, value: bytes("2 two")), from: swarm.members[9].id)
        #expect(try await swarm[1].get(key: key) == bytes("2 two"))
        #expect(!swarm.mesh.requests.isEmpty)
        // With a quorum others are asked, however fresh it is.
        _ = try await swarm[3].answer(.putValue(key: key, value: bytes("3 three")), from: swarm.members[9].id)
        #expect(try await swarm[1].get(key: key) == bytes("2 two"))
        #expect(try await swarm[1].get(key: key, quorum: 9) == bytes("3 three"))
        try await swarm.end()
    }

    @Test("what is withdrawn while it is told, or before it is told again, stays withdrawn")
    func withdrawn() async throws {
        let swarm = try await Swarm(count: 5)
        let (own, provided) = (swarm.members[0], bytes("provided"))
        swarm.mesh.lie(swarm.members[1].key) { [key] request in
            switch request {
            case .putValue: try? own.store.record(.valueForgotten(key))
            case .addProvider: try? own.store.record(.providerForgotten(provided, peer: own.key))
            default: break
            }
            return nil
        }
        #expect(try await own.node.put(key: key, value: bytes("1 one")).accepted.count == 4)
        #expect(try await own.node.provide(provided).accepted.count == 4)
        #expect(try own.store.value(key, at: swarm.mesh.now) == nil)
        #expect(try own.store.providers(of: provided, at: swarm.mesh.now).isEmpty)
        // What others sent is theirs to tell.
        _ = try await own.node.answer(.putValue(key: key, value: bytes("2 two")), from: swarm.members[2].id)
        swarm.mesh.forgetRequests()
        await own.node.publishAgain(.value(key: key))
        await own.node.publishAgain(.provider(key: provided))
        try await swarm.settle()
        #expect(swarm.mesh.requests.isEmpty)
        try await swarm.end()
    }

    @Test("what may not stand under its key is not published, nor what is older than what is known")
    func refused() async throws {
        let swarm = try await Swarm(count: 5)
        let node = swarm[0]
        await #expect(throws: ContentError.refused(.badSignature)) { try await node.put(key: key, value: bytes("x")) }
        await #expect(throws: ContentError.refused(.expired)) {
            try await node.put(key: key, value: bytes("9 expired"))
        }
        let foreign = bytes("/other/name")
        await #expect(throws: ContentError.refused(.unknownNamespace("other"))) {
            try await node.put(key: foreign, value: bytes("1 one"))
        }
        await #expect(throws: ContentError.refused(.unknownNamespace("other"))) { try await node.get(key: foreign) }
        await #expect(throws: ContentError.refused(.unknownNamespace(nil))) { try await node.get(key: bytes("name")) }
        await #expect(throws: ContentError.badKey(bytes: 0)) { try await node.get(key: []) }
        await #expect(throws: ContentError.badKey(bytes: 129)) {
            try await node.provide([UInt8](repeating: 1, count: 129))
        }
        let huge = bytes("1 ") + [UInt8](repeating: 65, count: StoredValue.maximumValueBytes)
        await #expect(throws: ContentError.self) { try await node.put(key: key, value: huge) }
        _ = try await node.put(key: key, value: bytes("2 two"))
        await #expect(throws: ContentError.outdated) { try await node.put(key: key, value: bytes("1 one")) }
        #expect(try swarm.kept(key).values.allSatisfy { $0 == bytes("2 two") })
        try await swarm.end()
    }

    @Test(
        "a value with a false signature is passed over and charged to its sender alone, one that has run out to nobody")
    func liars() async throws {
        let swarm = try await Swarm(count: 30)
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let nearest = swarm.nearest(key)
        let asker = try #require((1..<30).first { !nearest.contains($0) })
        let (liar, late) = (nearest[1], nearest[2])
        for (number, value) in [(liar, bytes("forged")), (late, bytes("9 expired"))] {
            let address = swarm.members[number].address
            swarm.mesh.lie(swarm.members[number].key) { request in
                guard case .getValue = request else { return nil }
                return Reply(address: address, content: .value(value))
            }
        }
        #expect(try await swarm[asker].get(key: key) == bytes("1 one"))
        try await swarm.settle()
        for (number, member) in swarm.members.enumerated() where number != asker {
            let charged = try swarm.members[asker].store.record(of: member.key)?.backoff?.lastClass
            #expect(charged == (number == liar ? .badResponse : nil), "node \(number)")
        }
        try await swarm.end()
    }

    @Test(
        "a peer that sends a forged value to be kept is refused, and charged; one whose namespace is unknown is refused"
    )
    func forgedPut() async throws {
        let swarm = try await Swarm(count: 5)
        let sender = swarm.members[3]
        await #expect(throws: Refusal.invalid) {
            try await swarm[0].answer(.putValue(key: key, value: bytes("forged")), from: sender.id)
        }
        #expect(try swarm.members[0].store.record(of: sender.key)?.backoff?.lastClass == .badResponse)
        let other = swarm.members[2]
        for query in [
            Query.putValue(key: bytes("/other/name"), value: [1]), .putValue(key: bytes("name"), value: [1]),
            .putValue(key: key, value: bytes("3 expired")), .putValue(key: [], value: [1]),
            .putValue(key: key, value: bytes("1 ") + [UInt8](repeating: 1, count: 1 << 20)),
            .getValue([]), .getProviders([UInt8](repeating: 1, count: 129)), .findNode([]),
        ] {
            await #expect(throws: Refusal.invalid) { try await swarm[0].answer(query, from: other.id) }
        }
        #expect(try swarm.members[0].store.record(of: other.key)?.backoff == nil)
        #expect(try swarm.kept(key).isEmpty)
        // An older one than what is kept is refused, too, but not the same once more.
        _ = try await swarm[0].answer(.putValue(key: key, value: bytes("2 two")), from: other.id)
        _ = try await swarm[0].answer(.putValue(key: key, value: bytes("2 two")), from: other.id)
        await #expect(throws: Refusal.invalid) {
            try await swarm[0].answer(.putValue(key: key, value: bytes("1 one")), from: other.id)
        }
        #expect(try swarm.kept(key)[0] == bytes("2 two"))
        try await swarm.end()
    }

    @Test("our own value gives way to one that counts more, and to no other that counts as much")
    func superseded() async throws {
        let swarm = try await Swarm(count: 2)
        let (own, other) = (swarm.members[0], swarm.members[1])
        _ = try await own.node.put(key: key, value: bytes("2 mine"))
        await #expect(throws: Refusal.invalid) {
            try await own.node.answer(.putValue(key: key, value: bytes("2 other")), from: other.id)
        }
        // Of values that are not our own the latest counts, as far as they count as much.
        _ = try await other.node.answer(.putValue(key: key, value: bytes("2 other")), from: own.id)
        _ = try await own.node.answer(.putValue(key: key, value: bytes("2 mine")), from: other.id)
        #expect(try own.store.value(key, at: swarm.mesh.now)?.isOwn == true)
        _ = try await own.node.answer(.putValue(key: key, value: bytes("3 newer")), from: other.id)
        let kept = try #require(try own.store.value(key, at: swarm.mesh.now))
        #expect(kept.value == bytes("3 newer") && !kept.isOwn)
        await #expect(throws: ContentError.outdated) {
            try await own.node.put(key: key, value: bytes("2 mine"))
        }
        _ = try await own.node.put(key: key, value: bytes("3 newer"))
        #expect(try own.store.value(key, at: swarm.mesh.now)?.isOwn == true)
        try await swarm.end()
    }

    @Test("values of others expire two days after they were last sent; one's own do not")
    func expiry() async throws {
        let swarm = try await Swarm(count: 6)
        let asker = swarm.members[5].id
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        let provided = bytes("provided")
        try await swarm[0].provide(provided)
        swarm.mesh.advance(hours: 47)
        #expect(try await swarm[1].answer(.getValue(key), from: asker).value == bytes("1 one"))
        #expect(try await swarm[1].answer(.getProviders(provided), from: asker).providers.count == 1)
        swarm.mesh.advance(hours: 2)
        #expect(try await swarm[1].answer(.getValue(key), from: asker).value == nil)
        #expect(try await swarm[1].answer(.getProviders(provided), from: asker).providers.isEmpty)
        #expect(try await swarm[0].answer(.getValue(key), from: asker).value == bytes("1 one"))
        #expect(try await swarm[0].answer(.getProviders(provided), from: asker).providers.count == 1)
        // Withdrawn, it is no more.
        try await swarm[0].withdraw(key: key)
        try await swarm[0].stopProviding(provided)
        #expect(try await swarm[0].answer(.getValue(key), from: asker).value == nil)
        #expect(try await swarm[0].answer(.getProviders(provided), from: asker).providers.isEmpty)
        try await swarm.end()
    }

    @Test("after a restart values are still served, and one's own are told again when it is time")
    func restart() async throws {
        let swarm = try await Swarm(count: 25)
        let provided = bytes("provided")
        _ = try await swarm[0].put(key: key, value: bytes("1 one"))
        try await swarm[0].provide(provided)
        let keeper = try #require(swarm.nearest(key, besides: 0).first)
        try await swarm.restart(keeper)
        let asker = swarm.members[(keeper + 1) % 25].id
        #expect(try await swarm[keeper].answer(.getValue(key), from: asker).value == bytes("1 one"))

        swarm.mesh.advance(hours: 40)
        swarm.mesh.forgetRequests()
        try await swarm.restart(0, maintains: true)
        let running = Task { [node = swarm[0]] in try await node.run() }
        // A day later the others would have forgotten both; but they were told again.
        while try !isTold(swarm, provided) { try await Task.sleep(for: .milliseconds(20)) }
        swarm.mesh.advance(hours: 24)
        #expect(try await swarm[keeper].answer(.getValue(key), from: asker).value == bytes("1 one"))
        running.cancel()
        try await running.value
        try await swarm.end()
    }

    /// Whether the publisher has noted that its value and what it provides were told lately.
    private func isTold(_ swarm: Swarm, _ provided: [UInt8]) throws -> Bool {
        let (store, now) = (swarm.members[0].store, swarm.mesh.now)
        let stamps = [
            try store.value(key, at: now)?.receivedAt,
            try store.providers(of: provided, at: now).first { $0.isOwn }?.receivedAt,
        ]
        return stamps.allSatisfy { $0.map { now.millisecondsSince($0) < 3_600_000 } ?? false }
    }

    @Test("what nobody could be told is not forgotten: it is due at once")
    func alone() async throws {
        let swarm = try await Swarm(count: 1)
        let report = try await swarm[0].put(key: key, value: bytes("1 one"))
        #expect(report.accepted.isEmpty && report.failed.isEmpty)
        let kept = try #require(try swarm.members[0].store.value(key, at: swarm.mesh.now))
        #expect(kept.isOwn)
        #expect(swarm.mesh.now.millisecondsSince(kept.receivedAt) >= PublishingConfiguration().intervalMilliseconds)
        #expect(try await swarm[0].get(key: key) == bytes("1 one"))
        #expect(try await swarm[0].provide(key).accepted.isEmpty)
        let provided = try #require(try swarm.members[0].store.providers(of: key, at: swarm.mesh.now).first)
        #expect(provided.isOwn)
        #expect(
            swarm.mesh.now.millisecondsSince(provided.receivedAt) >= PublishingConfiguration().intervalMilliseconds)
        try await swarm.end()
    }

    @Test("a node that has ended has written what it knows, though its store is still open")
    func written() async throws {
        var options = StoreOptions()
        options.batchCount = .max
        options.batchMilliseconds = 86_400_000
        let swarm = try await Swarm(count: 3, options: options)
        _ = try await swarm[1].answer(.putValue(key: key, value: bytes("1 one")), from: swarm.members[2].id)
        try await swarm[1].shutDownForTest()
        let reader = try await Store.open(swarm.members[1].store.path, mode: .readOnly)
        #expect(try reader.countPeers() == 2)
        #expect(try reader.value(key, at: swarm.mesh.now)?.value == bytes("1 one"))
        try await reader.close()
        try await swarm.end()
    }

    @Test("a get, put or ask that is cancelled ends, and leaves no call; so does one whose node ends")
    func cancelled() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let world = try Loopback(peers: 20)
        for peer in world.peers { world.kill(peer.key) }
        var configuration = EngineConfiguration.patient
        configuration.maintains = false
        configuration.askMilliseconds = 600_000
        let node = try await KadNode(
            store: store, id: world.ownID, transport: world, configuration: configuration,
            validators: RecordValidators(["test": Numbered()]))
        await node.introduce(world.peers.map { ($0.id, [$0.address]) }, source: "test")
        func tasks() -> [Task<Void, any Error>] {
            [
                Task { [key] in _ = try await node.get(key: key) },
                Task { [key] in _ = try await node.put(key: key, value: bytes("1 one")) },
                Task { try await node.provide([1, 2, 3]) },
                Task { _ = try await node.providers(of: [1, 2, 3, 4]) },
                Task { _ = try await node.ask(.ping, of: world.peers[0].id) },
            ]
        }
        let first = tasks()
        while world.running < 5 { try await Task.sleep(for: .milliseconds(2)) }
        for task in first { task.cancel() }
        for task in first { await #expect(throws: (any Error).self) { try await task.value } }
        while await !node.isSettled || world.running > 0 { try await Task.sleep(for: .milliseconds(2)) }

        let second = tasks()
        while world.running < 5 { try await Task.sleep(for: .milliseconds(2)) }
        try await node.shutDownForTest()
        for task in second { await #expect(throws: (any Error).self) { try await task.value } }
        #expect(world.running == 0)
        for task in tasks() { await #expect(throws: (any Error).self) { try await task.value } }
        await #expect(throws: Refusal.unavailable) { try await node.answer(.ping, from: world.peers[0].id) }
        try await store.close()
    }
}
