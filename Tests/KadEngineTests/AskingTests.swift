import KadStore
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadEngine

@Suite("A single request") struct AskingTests {
    private func ask(
        _ setting: Setting, _ node: World.Node, _ request: Request = .ping, at addresses: [Multiaddr]? = nil,
        _ options: AskOptions = AskOptions()
    ) throws -> CallID {
        let (id, actions) = setting.engine.ask(
            request, of: try setting.peer(node), addresses: addresses, options: options, at: setting.world.time)
        setting.world.take(actions)
        return id
    }

    /// Asks, and waits for the outcome.
    private func outcome(
        _ setting: Setting, _ node: World.Node, _ request: Request = .ping, at addresses: [Multiaddr]? = nil,
        _ options: AskOptions = AskOptions()
    ) throws -> CallOutcome? {
        let id = try ask(setting, node, request, at: addresses, options)
        setting.world.run(setting.engine, for: 60_000) { setting.world.outcomes[id] != nil }
        return setting.world.outcomes[id]
    }

    private func failure(_ outcome: CallOutcome?) -> FailureClass? {
        if case .failed(let failureClass, _)? = outcome { failureClass } else { nil }
    }

    @Test("is answered once, remembered, and what it names is learnt")
    func answered() async throws {
        let setting = try await Setting(count: 100)
        let node = setting.world.nodes[3]
        let result = try outcome(setting, node, .findNode(LookupTarget(key: .zero)))
        guard case .answered(let address, _, let rtt, let named, .none)? = result else {
            Issue.record("\(String(describing: result))")
            return
        }
        #expect(address == node.address && rtt == 1_000 * node.rtt)
        let wanted = setting.world.nearest(.zero).filter { $0.key != node.key }
        #expect(named.map(\.id) == wanted.map { Array($0.id.bytes) })
        #expect(try setting.store.record(of: node.key)?.successes == 1)
        for peer in wanted { #expect(try setting.store.record(of: peer.key) != nil) }
        #expect(setting.engine.calls.isEmpty)
        try await setting.store.close()
    }

    @Test("a peer that does not answer is given up at the deadline, and charged")
    func dead() async throws {
        let setting = try await Setting(count: 40)
        let node = setting.world.nodes[0]
        setting.world.kill(node.key)
        let start = setting.world.uptime
        #expect(failure(try outcome(setting, node)) == .timeout)
        #expect(setting.world.uptime.millisecondsSince(start) == setting.engine.configuration.askMilliseconds)
        let record = try #require(try setting.store.record(of: node.key))
        #expect(record.failures.map(\.failureClass) == [.timeout])
        #expect(setting.engine.outage.held.map(\.key) == [node.key])
        let short = try outcome(setting, setting.world.nodes[1], .ping, AskOptions(milliseconds: 5))
        #expect(failure(short) == .timeout)
        try await setting.store.close()
    }

    @Test("a peer that waits is not dialled, unless somebody insists")
    func backoff() async throws {
        let setting = try await Setting(count: 40)
        let node = setting.world.nodes[0]
        setting.world.failures[node.key] = .busy
        #expect(failure(try outcome(setting, node)) == .busy)
        setting.world.failures = [:]
        let dials = setting.world.dialled.count
        let charged = try setting.store.record(of: node.key)
        #expect(failure(try outcome(setting, node)) == .cancelled)
        #expect(setting.world.dialled.count == dials)
        #expect(try setting.store.record(of: node.key) == charged)
        let insisted = try outcome(setting, node, .ping, AskOptions(insists: true))
        #expect(failure(insisted) == nil && insisted != nil)
        #expect(setting.world.dialled.count == dials + 1)
        try await setting.store.close()
    }

    @Test("nobody is dialled without an address that the scope admits, nor the node itself")
    func unreachable() async throws {
        let setting = try await Setting(count: 40, known: 10)
        let stranger = setting.world.nodes[30]
        #expect(failure(try outcome(setting, stranger)) == .unreachable)
        let unfit = try Multiaddr("/ip4/224.0.0.1/tcp/80")
        #expect(failure(try outcome(setting, stranger, .ping, at: [unfit])) == .unreachable)
        let own = setting.engine.identity.peer
        let (id, actions) = setting.engine.ask(
            .ping, of: own, addresses: [stranger.address], at: setting.world.time)
        setting.world.take(actions)
        #expect(failure(setting.world.outcomes[id]) == .unreachable)
        #expect(setting.world.dialled.isEmpty)
        try await setting.store.close()
    }

    @Test("a stated address is dialled and remembered, so that its failure has somebody to be charged to")
    func stated() async throws {
        let setting = try await Setting(count: 40, known: 10)
        let stranger = setting.world.nodes[30]
        setting.world.kill(stranger.key)
        #expect(failure(try outcome(setting, stranger, .ping, at: [stranger.address])) == .timeout)
        let record = try #require(try setting.store.record(of: stranger.key))
        #expect(record.addresses.map(\.address) == [stranger.address] && record.failures.count == 1)
        setting.world.revive(stranger.key)
        let again = try outcome(
            setting, stranger, .ping, at: [stranger.address], AskOptions(insists: true))
        #expect(failure(again) == nil && again != nil)
        try await setting.store.close()
    }

    @Test("a cancelled one leaves no call, and nothing is told of it")
    func cancelled() async throws {
        let setting = try await Setting(count: 40)
        let id = try ask(setting, setting.world.nodes[0])
        setting.world.take(setting.engine.cancel(id, at: setting.world.time))
        setting.world.take(setting.engine.cancel(id, at: setting.world.time))
        #expect(setting.engine.calls.isEmpty && setting.world.calls.isEmpty)
        setting.world.run(setting.engine, for: 30_000)
        #expect(setting.world.outcomes[id] == nil)
        #expect(try setting.store.record(of: setting.world.nodes[0].key)?.failures.isEmpty == true)
        // Nor can a lookup's call be cancelled by it.
        let (lookup, actions) = setting.engine.lookup(LookupTarget(key: .zero), at: setting.world.time)
        setting.world.take(actions)
        let call = try #require(setting.world.calls.first?.id)
        setting.world.take(setting.engine.cancel(call, at: setting.world.time))
        #expect(setting.world.calls.contains { $0.id == call })
        setting.world.take(setting.engine.cancel(lookup, at: setting.world.time))
        try await setting.store.close()
    }

    @Test("a stream that fails and works again is tried again within 1 to 100 ms, and nobody is charged")
    func transient() async throws {
        for count in 1...3 {
            let setting = try await Setting(count: 15, known: 15)
            let node = setting.world.nodes[0]
            setting.world.failures[node.key] = .stream
            setting.world.failureCounts[node.key] = count
            let result = try outcome(setting, node, .putValue(key: [1], value: [2]))
            #expect(failure(result) == nil && result != nil)
            let dials = setting.world.made.filter { $0.call.peer.key == node.key }.map(\.at)
            #expect(dials.count == count + 1)
            for (first, second) in zip(dials, dials.dropFirst()) {
                // The answer takes 5 ms here.
                #expect((1...100).contains(second.millisecondsSince(first) - 5))
            }
            let record = try #require(try setting.store.record(of: node.key))
            #expect(record.backoff == nil && record.failures.isEmpty && record.successes == 1)
            try await setting.store.close()
        }
    }

    @Test("a stream that fails again and again is charged once, as one failure of the peer that waits for it then")
    func lasting() async throws {
        // So few that no bucket is full: the table asks nobody by itself.
        let setting = try await Setting(count: 15, known: 15)
        let node = setting.world.nodes[0]
        setting.world.failures[node.key] = .stream
        #expect(failure(try outcome(setting, node)) == .stream)
        #expect(setting.world.dialled.count { $0 == node.key } == 4)
        let record = try #require(try setting.store.record(of: node.key))
        #expect(record.failures.map(\.failureClass) == [.stream] && record.failures.first?.count == 1)
        // Others answer around it: the fault was not ours.
        for other in setting.world.nodes[1...] { _ = try outcome(setting, other) }
        setting.world.run(setting.engine, for: 60_000)
        for other in setting.world.nodes[1...] { _ = try outcome(setting, other) }
        let backoff = try #require(try setting.store.record(of: node.key)?.backoff)
        #expect(backoff.lastClass == .stream && backoff.streakMilli > 0)
        try await setting.store.close()
    }

    @Test("what somebody can only judge later is charged to who sent it, and to nobody else")
    func judgedLater() async throws {
        let setting = try await Setting(count: 40, known: 40)
        let liar = setting.world.nodes[5]
        _ = try outcome(setting, liar)
        setting.world.take(
            setting.engine.refuse(.invalidValue, of: try setting.peer(liar), at: setting.world.time))
        for node in setting.world.nodes {
            let expected: FailureClass? = node.key == liar.key ? .badResponse : nil
            #expect(try setting.store.record(of: node.key)?.backoff?.lastClass == expected)
        }
        #expect(setting.world.notes.contains(.badReply(try setting.peer(liar), .invalidValue)))
        try await setting.store.close()
    }

    @Test(
        "in random lives each has one outcome, in time, unless it was cancelled; and none is left over",
        arguments: Seeds.first(6))
    func lives(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        do {
            let setting = try await Setting(count: 60, known: 60)
            let (world, engine) = (setting.world, setting.engine)
            var asked: [(id: CallID, at: Uptime, deadline: Int64)] = []
            var cancelled: Set<CallID> = []
            var lookups = 0
            for _ in 0..<200 {
                let node = world.nodes[Int.random(in: 0..<60, using: &generator)]
                switch Int.random(in: 0..<12, using: &generator) {
                case 0: world.kill(node.key)
                case 1: world.revive(node.key)
                case 2: world.failures[node.key] = FailureClass.allCases.randomElement(using: &generator)
                case 3: world.failures[node.key] = nil
                case 4: world.isLinkDown.toggle()
                case 5:
                    guard let id = asked.randomElement(using: &generator)?.id, world.outcomes[id] == nil else { break }
                    cancelled.insert(id)
                    world.take(engine.cancel(id, at: world.time))
                case 6:
                    lookups += 1
                    world.take(engine.lookup(LookupTarget(key: .random(using: &generator)), at: world.time).1)
                default:
                    let milliseconds = Int64.random(in: 1...20_000, using: &generator)
                    let options = AskOptions(insists: Bool.random(using: &generator), milliseconds: milliseconds)
                    let id = try ask(setting, node, .ping, options)
                    asked.append((id, world.uptime, milliseconds))
                }
                world.run(engine, for: Int64.random(in: 0...500, using: &generator))
                // What is not answered yet has time left.
                for call in asked where world.outcomes[call.id] == nil && !cancelled.contains(call.id) {
                    #expect(world.uptime.millisecondsSince(call.at) <= call.deadline, "seed \(seed)")
                }
            }
            world.run(engine, for: 120_000)
            for call in asked {
                #expect((world.outcomes[call.id] != nil) != cancelled.contains(call.id), "seed \(seed)")
            }
            #expect(engine.calls.ids.allSatisfy { engine.calls[$0]?.purpose != .direct }, "seed \(seed)")
            try await setting.store.close()
        }
    }
}

extension AskingTests {
    private func outcome(
        _ setting: Setting, _ node: World.Node, _ request: Request, _ options: AskOptions
    ) throws -> CallOutcome? { try outcome(setting, node, request, at: nil, options) }

    private func ask(
        _ setting: Setting, _ node: World.Node, _ request: Request, _ options: AskOptions
    ) throws -> CallID { try ask(setting, node, request, at: nil, options) }
}

@Suite("A lookup for what is kept under a key") struct ContentLookupTests {
    private let key = Array("/test/key".utf8)

    private func lookup(_ setting: Setting, _ subject: LookupSubject) -> [LookupEvent] {
        let target = LookupTarget(key: setting.store.network.target(hashing: key), preimage: key)
        let (id, actions) = setting.engine.lookup(
            target, options: LookupOptions(asking: subject), at: setting.world.time)
        setting.world.take(actions)
        setting.world.run(setting.engine) { setting.world.events[id]?.finish != nil }
        return setting.world.events[id] ?? []
    }

    @Test("asks for it, tells what was found right after the answer that carried it, and ends at the nearest")
    func found() async throws {
        let setting = try await Setting(count: 200)
        let target = setting.store.network.target(hashing: key)
        let holders = setting.world.nearest(target, count: 5)
        for (number, node) in holders.enumerated() { setting.world.contents[node.key] = .value([UInt8(number)]) }
        let events = lookup(setting, .value)
        // The table asks contacts whether they live.
        #expect(setting.world.made.allSatisfy { $0.call.request == .getValue(key) || $0.call.request == .ping })
        #expect(setting.world.made.contains { $0.call.request == .getValue(key) })
        #expect(events.finish?.closest.map(\.peer.key) == setting.world.nearest(target).map(\.key))
        var found: [Key: ReplyContent] = [:]
        for (event, next) in zip(events, events.dropFirst()) {
            guard case .found(let peer, let content) = next else { continue }
            guard case .answered(let answered, _, _) = event else {
                Issue.record("\(event) before \(next)")
                continue
            }
            #expect(answered == peer)
            found[peer.key] = content
        }
        let expected = Dictionary(
            holders.enumerated().map { ($1.key, ReplyContent.value([UInt8($0)])) }, uniquingKeysWith: { $1 })
        #expect(found == expected)
        try await setting.store.close()
    }

    @Test("a lookup for peers asks for nothing else, whatever is there")
    func peers() async throws {
        let setting = try await Setting(count: 100)
        for node in setting.world.nodes { setting.world.contents[node.key] = .value([1]) }
        let events = lookup(setting, .peers)
        #expect(!events.contains { if case .found = $0 { true } else { false } })
        try await setting.store.close()
    }

    @Test("of providers the addresses that the scope admits are told, each provider once, and so many at most")
    func providers() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let world = setting.world
        let target = setting.store.network.target(hashing: key)
        let teller = world.nearest(target, count: 1)[0]
        let unfit = try Multiaddr("/ip4/224.0.0.1/tcp/80")
        func provider(_ number: Int) -> NamedPeer {
            NamedPeer(
                id: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32), addresses: [unfit])
        }
        let sender = NamedPeer(id: Array(teller.id.bytes), addresses: [teller.address, unfit])
        world.contents[teller.key] = .providers([sender, sender] + (1...200).map(provider))
        let events = lookup(setting, .providers)
        let lists = events.compactMap { event -> [NamedPeer]? in
            if case .found(_, .providers(let list)) = event { list } else { nil }
        }
        #expect(lists.count == 1)
        #expect(lists.first?.first == NamedPeer(id: sender.id, addresses: [teller.address]))
        #expect(lists.first?.dropFirst().allSatisfy { $0.addresses.isEmpty } == true)
        #expect(lists.first?.count == ReplyScreen.Limits().providers - 1)
        // Nobody is thereby known who could be asked.
        #expect(try setting.store.peers(limit: 4_096).peers.count == 60)
        try await setting.store.close()
    }

    @Test("a provider whose id is none makes the whole answer a bad one, charged to the sender")
    func malformed() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let teller = setting.world.nearest(setting.store.network.target(hashing: key), count: 1)[0]
        setting.world.contents[teller.key] = .providers([NamedPeer(id: [1, 2, 3], addresses: [])])
        let events = lookup(setting, .providers)
        #expect(!events.contains { if case .found = $0 { true } else { false } })
        #expect(setting.world.notes.contains(.badReply(try setting.peer(teller), .malformedID)))
        #expect(try setting.store.record(of: teller.key)?.backoff?.lastClass == .badResponse)
        try await setting.store.close()
    }
}
