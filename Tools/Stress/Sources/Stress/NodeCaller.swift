import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats

/// Nodes that reach each other without wires: an answer is another node's, or a failure now and then.
actor Mesh {
    private var nodes: [Key: KadNode] = [:]

    func add(_ node: KadNode, at key: Key) { nodes[key] = node }
    func node(at key: Key) -> KadNode? { nodes[key] }
    func clear() { nodes = [:] }

    struct Wire: Transport {
        let mesh: Mesh
        let id: PeerID

        func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
            guard let node = await mesh.node(at: peer.key), UInt8.random(in: 0..<16) > 0 else {
                throw TransportError(.timeout, at: addresses.first)
            }
            do throws(Refusal) {
                let answer = try await node.answer(query(request), from: id)
                return Reply(
                    address: addresses.first, named: answer.closer.map(named),
                    content: content(of: answer, to: request))
            } catch {
                throw TransportError(.stream, at: addresses.first)
            }
        }

        private func content(of answer: QueryAnswer, to request: Request) -> ReplyContent {
            switch request {
            case .getValue: answer.value.map { .value($0) } ?? .none
            case .getProviders: .providers(answer.providers.map(named))
            case .findNode, .ping, .putValue, .addProvider: .none
            }
        }

        private func named(_ found: FoundPeer) -> NamedPeer {
            NamedPeer(id: Array(found.peer.id.bytes), addresses: found.addresses)
        }

        private func query(_ request: Request) -> Query {
            switch request {
            case .findNode(let target): .findNode(target.preimage ?? target.key.bytes())
            case .ping: .ping
            case .getValue(let key): .getValue(key)
            case .putValue(let key, let value): .putValue(key: key, value: value)
            case .getProviders(let key): .getProviders(key)
            case .addProvider(let key): .addProvider(key, providers: [NamedPeer(id: Array(id.bytes), addresses: [])])
            }
        }
    }
}

/// Values of namespace `stress`: any; the first counts.
private struct AnyValue: RecordValidator {
    func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {}
    func select(key: [UInt8], among values: [[UInt8]]) -> Int { 0 }
}

/// Some nodes, each on a store of its own, and one task: calls at random until they are stopped.
struct NodeCaller: Sendable {
    let nodes: [KadNode]
    let ids: [PeerID]
    let seed: UInt64

    static func id(_ number: UInt8) throws -> PeerID {
        guard let id = PeerID([0x12, 0x20] + [UInt8](repeating: number &* 37, count: 31) + [number]) else {
            throw StressFault(what: "no id")
        }
        return id
    }

    static func address(_ number: UInt8) -> Multiaddr { Multiaddr(ip: .v4(0x0a00_0000 | UInt32(number)), tcp: 4001) }

    /// Runs tasks on `count` nodes for a while, and stops the nodes under them.
    ///
    /// - Returns: how many calls were made.
    static func round(_ path: String, _ seed: UInt64, count: UInt8 = 4, for pause: Duration) async throws -> Int {
        let mesh = Mesh()
        let ids = try (0..<count).map(id)
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds, options.syncMilliseconds) = (16, 5, 50)
        var configuration = EngineConfiguration()
        configuration.askMilliseconds = 1_000
        var (stores, nodes): ([Store], [KadNode]) = ([], [])
        for (number, id) in ids.enumerated() {
            let store = try await Store.open("\(path)-\(number)", mode: .create(.libp2p, .private), options: options)
            let node = try await KadNode(
                store: store, id: id, transport: Mesh.Wire(mesh: mesh, id: id), configuration: configuration,
                bootstrap: [(ids[0], [address(0)])], validators: RecordValidators(["stress": AnyValue()]))
            await mesh.add(node, at: try store.peer(id).key)
            stores.append(store)
            nodes.append(node)
        }
        let calls = try await withThrowingTaskGroup(of: Int.self) { callers in
            for task in 0..<8 {
                let caller = NodeCaller(nodes: nodes, ids: ids, seed: seed &+ UInt64(task))
                callers.addTask { try await caller.run() }
            }
            try await withThrowingTaskGroup(of: Void.self) { lives in
                for node in nodes { lives.addTask { try await node.run() } }
                try await Task.sleep(for: pause)
                // The nodes end while they are called.
                lives.cancelAll()
                try await lives.waitForAll()
            }
            callers.cancelAll()
            return try await callers.reduce(0, +)
        }
        await mesh.clear()
        for store in stores {
            try await store.close()
        }
        return calls
    }

    private func run() async throws -> Int {
        var random = SeededGenerator(seed: seed)
        var calls = 0
        while !Task.isCancelled {
            do {
                try await call(&random)
            } catch is CancellationError {
            } catch is TransportError {
            } catch is Refusal {
            } catch is ContentError {
            } catch StoreError.locked {
            } catch StoreError.backlog {}
            calls += 1
            await Task.yield()
        }
        return calls
    }

    private func call(_ random: inout SeededGenerator) async throws {
        guard let node = nodes.randomElement(using: &random) else { return }
        let number = UInt8.random(in: 0..<UInt8(ids.count), using: &random)
        // Some that nobody is.
        let id = try Self.id(UInt8.random(in: 0..<UInt8(ids.count) + 4, using: &random))
        let peer = try node.store.peer(id)
        let key = Array("/stress/\(UInt8.random(in: 0..<9, using: &random))".utf8)
        switch Int.random(in: 0...20, using: &random) {
        case 0: for await _ in await node.lookup(LookupTarget(peer)) {}
        // Left in the middle.
        case 1: for await _ in await node.lookup(LookupTarget(peer)) { break }
        case 2: _ = try await node.closest(to: LookupTarget(peer))
        case 3...4: _ = try await node.ask(.ping, of: id, at: [Self.address(number)])
        case 5:
            let task = Task { try await node.ask(.findNode(LookupTarget(peer)), of: id) }
            task.cancel()
            _ = try await task.value
        case 6: try await node.flush()
        case 7: await node.heard(from: id, at: Self.address(number), serves: Bool.random(using: &random))
        case 8:
            await node.identified(
                id, agent: "stress", protocols: ["/ipfs/kad/1.0.0"], addresses: [Self.address(number)], serves: true)
        case 9...10: await node.introduce(ids.indices.map { (ids[$0], [Self.address(UInt8($0))]) }, source: "stress")
        case 11: await node.linkChanged(isDown: Bool.random(using: &random) && Bool.random(using: &random))
        case 12: _ = try await node.known(nearest: peer.key)
        case 13: _ = (await node.contactCount, await node.callsInFlight, node.identity)
        case 14: _ = try await node.get(key: key, quorum: 2)
        case 15: _ = try await node.put(key: key, value: [number])
        case 16: try await node.withdraw(key: key)
        case 17: _ = try await node.provide(key)
        case 18:
            _ = try await node.providers(of: key)
            try await node.stopProviding(key)
        case 19: _ = try await node.findPeer(id)
        default:
            _ = try await node.answer(.getValue(key), from: id, at: Self.address(number))
            if number == 0 { await node.violated(by: id) }
            let crawl = Task { try await Crawler(asking: node).run(restart: true) }
            crawl.cancel()
            _ = try await crawl.value
        }
    }
}
