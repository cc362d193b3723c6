import Foundation
import KadEngine
import KadStore
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadNode

/// Nodes that answer each other, without wires.
final class Mesh: Sendable {
    struct Station {
        let id: PeerID
        let key: Key
        let address: Multiaddr
        var node: KadNode?
        /// What it answers instead of the truth; nil: the truth.
        var lie: (@Sendable (Request) -> Reply?)?
    }

    private struct State {
        var stations: [Key: Station] = [:]
        var running = 0
        var requests: [(to: Key, request: Request)] = []
    }

    private let state = Mutex(State())
    /// The wall clock of all nodes, in milliseconds from the system's.
    private let lead = Mutex<Int64>(0)

    /// Calls that have not returned.
    var running: Int { state.withLock(\.running) }
    var requests: [(to: Key, request: Request)] { state.withLock(\.requests) }
    var now: Instant { Instant.systemClock().advanced(byMilliseconds: lead.withLock { $0 }) }

    func advance(hours: Int64) { lead.withLock { $0 += hours * 3_600_000 } }
    func forgetRequests() { state.withLock { $0.requests = [] } }

    func add(_ station: Station) { state.withLock { $0.stations[station.key] = station } }
    func connect(_ key: Key, to node: KadNode?) { state.withLock { $0.stations[key]?.node = node } }
    func lie(_ key: Key, _ lie: @escaping @Sendable (Request) -> Reply?) {
        state.withLock { $0.stations[key]?.lie = lie }
    }

    fileprivate func begin(_ request: Request, to key: Key) -> Station? {
        state.withLock { state in
            state.running += 1
            state.requests.append((key, request))
            return state.stations[key]
        }
    }

    fileprivate func end() { state.withLock { $0.running -= 1 } }

    /// How one node reaches the others.
    struct Wire: Transport {
        let mesh: Mesh
        let id: PeerID
        let address: Multiaddr

        func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
            let station = mesh.begin(request, to: peer.key)
            defer { mesh.end() }
            guard let station, addresses.contains(station.address), let node = station.node else {
                throw TransportError(.refused, at: addresses.first)
            }
            if let lie = station.lie?(request) { return lie }
            let answer: QueryAnswer
            do throws(Refusal) {
                answer = try await node.answer(query(request), from: id, at: address)
            } catch {
                throw TransportError(.stream, at: station.address)
            }
            // As identify tells it: who asks serves, too.
            await node.heard(from: id, at: address)
            let content: ReplyContent =
                switch request {
                case .getValue: answer.value.map { .value($0) } ?? .none
                case .getProviders: .providers(answer.providers.map { named($0, station) })
                case .findNode, .ping, .putValue, .addProvider: .none
                }
            return Reply(
                address: station.address, named: answer.closer.map { named($0, station) }, content: content)
        }

        private func named(_ peer: FoundPeer, _ station: Station) -> NamedPeer {
            NamedPeer(
                id: Array(peer.peer.id.bytes),
                addresses: peer.peer.key == station.key ? [station.address] : peer.addresses)
        }

        private func query(_ request: Request) -> Query {
            switch request {
            case .findNode(let target): .findNode(target.preimage ?? target.key.bytes())
            case .ping: .ping
            case .getValue(let key): .getValue(key)
            case .putValue(let key, let value): .putValue(key: key, value: value)
            case .getProviders(let key): .getProviders(key)
            case .addProvider(let key):
                .addProvider(key, providers: [NamedPeer(id: Array(id.bytes), addresses: [address])])
            }
        }
    }
}

/// Values of namespace `test`: a number and a text. The larger number counts; `expired` is valid no more.
struct Numbered: RecordValidator {
    func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        guard number(value) != nil else { throw .badSignature }
        if String(decoding: value, as: UTF8.self).hasSuffix("expired") { throw .expired }
    }

    func select(key: [UInt8], among values: [[UInt8]]) -> Int {
        // The first of the largest.
        values.indices.max { (number(values[$0]) ?? 0, -$0) < (number(values[$1]) ?? 0, -$1) } ?? 0
    }

    private func number(_ value: [UInt8]) -> Int? {
        String(decoding: value, as: UTF8.self).split(separator: " ").first.flatMap { Int($0) }
    }
}

/// A swarm of nodes, each with a store of its own, that know each other.
final class Swarm {
    struct Member {
        let id: PeerID
        let key: Key
        let address: Multiaddr
        var store: Store
        var node: KadNode
    }

    let mesh = Mesh()
    private let files: Folder
    private(set) var members: [Member] = []
    private let serving: ServingLimits
    private let options: StoreOptions

    /// - Parameter introduces: whether each knows all others from the start.
    init(
        count: Int, introduces: Bool = true, serving: ServingLimits = ServingLimits(),
        options: StoreOptions = StoreOptions()
    ) async throws {
        files = try Folder()
        self.serving = serving
        self.options = options
        var generator = SeededGenerator(seed: 11)
        for number in 0..<count {
            let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let id = try #require(PeerID([0x12, 0x20] + digest))
            let address = try Multiaddr("/ip4/10.0.0.\(number)/tcp/4001")
            let key = try Network.libp2p.key(of: id)
            mesh.add(Mesh.Station(id: id, key: key, address: address))
            let (store, node) = try await life(number, id, address, maintains: false)
            members.append(Member(id: id, key: key, address: address, store: store, node: node))
            mesh.connect(key, to: node)
        }
        guard introduces else { return }
        let everybody = members.map { ($0.id, [$0.address]) }
        for member in members { await member.node.introduce(everybody.filter { $0.0 != member.id }, source: "test") }
    }

    private func life(
        _ number: Int, _ id: PeerID, _ address: Multiaddr, maintains: Bool
    ) async throws -> (Store, KadNode) {
        let store = try await Store.open(
            files.path + "/\(number).db", mode: .create(.libp2p, .private), options: options)
        var configuration = EngineConfiguration.patient
        configuration.askMilliseconds = 600_000
        configuration.maintains = maintains
        let mesh = mesh
        let node = try await KadNode(
            store: store, id: id, transport: Mesh.Wire(mesh: mesh, id: id, address: address),
            configuration: configuration, bootstrap: [], validators: RecordValidators(["test": Numbered()]),
            content: ContentConfiguration(), serving: serving, logger: nil, time: SystemTime(wall: { mesh.now }))
        return (store, node)
    }

    subscript(number: Int) -> KadNode { members[number].node }

    /// Ends a node and begins another one on its store.
    func restart(_ number: Int, maintains: Bool = false) async throws {
        let member = members[number]
        mesh.connect(member.key, to: nil)
        try await member.node.shutDownForTest()
        try await member.store.close()
        let (store, node) = try await life(number, member.id, member.address, maintains: maintains)
        members[number].store = store
        members[number].node = node
        mesh.connect(member.key, to: node)
    }

    /// The members nearest to the place of a key, nearest first.
    func nearest(_ key: [UInt8], besides number: Int? = nil, count: Int = 20) -> [Int] {
        var nearest = ClosestPeers<Int>(target: Network.libp2p.target(hashing: key), capacity: count)
        for (place, member) in members.enumerated() where place != number { nearest.offer(member.key, place) }
        return nearest.elements
    }

    /// Who keeps a value of a key, and which.
    func kept(_ key: [UInt8]) throws -> [Int: [UInt8]] {
        var kept: [Int: [UInt8]] = [:]
        for (place, member) in members.enumerated() { kept[place] = try member.store.value(key, at: mesh.now)?.value }
        return kept
    }

    /// Waits until nobody has anything left to do.
    func settle() async throws {
        for member in members {
            while await !member.node.isSettled { try await Task.sleep(for: .milliseconds(2)) }
        }
    }

    func end() async throws {
        for member in members {
            try await member.node.shutDownForTest()
            try await member.store.close()
        }
        #expect(mesh.running == 0)
    }
}

extension KadNode {
    var isSettled: Bool { errands.isEmpty && asks.isEmpty && lookups.isEmpty && callsInFlight == 0 }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
