import Foundation
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadEngine

/// A small network in one array, and a node in it that is driven by virtual clocks.
final class World {
    struct Node {
        let id: PeerID
        let key: Key
        let address: Multiaddr
        var isAlive = true
        var rtt: Int64 = 50
    }

    let network = Network.libp2p
    var nodes: [Node] = []
    /// What a node answers instead of the truth.
    var lies: [Key: [NamedPeer]] = [:]
    /// What a call fails with instead of a timeout.
    var failures: [Key: FailureClass] = [:]
    /// How many calls fail with that before one is answered; without a number, all.
    var failureCounts: [Key: Int] = [:]
    /// What an answer to a question for a value or providers carries.
    var contents: [Key: ReplyContent] = [:]
    /// How many peers an answer names.
    var answerCount = 20
    var isLinkDown = false
    private var index: [Key: Int] = [:]

    var wall = Instant(milliseconds: 1_790_000_000_000)
    var uptime = Uptime(milliseconds: 0)
    var time: Time { Time(wall: wall, uptime: uptime) }

    private(set) var calls: [(at: Uptime, id: CallID, call: Call)] = []
    private(set) var events: [LookupID: [LookupEvent]] = [:]
    private(set) var outcomes: [CallID: CallOutcome] = [:]
    private(set) var notes: [Note] = []
    private(set) var publications: [Publication] = []
    private(set) var sweeps: [Instant] = []
    /// Every call that was made, in order.
    private(set) var made: [(at: Uptime, call: Call)] = []
    private(set) var bootstraps = 0
    /// Every call that was made, in order.
    private(set) var dialled: [Key] = []
    private var wakeAt: Uptime?

    init(count: Int, seed: UInt64 = 1) throws {
        var generator = SeededGenerator(seed: seed)
        for number in 0..<count {
            let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let id = try #require(PeerID([0x12, 0x20] + bytes))
            let address = try Multiaddr("/ip4/10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)/tcp/4001")
            let node = Node(id: id, key: try network.key(of: id), address: address, rtt: 20 + Int64(number % 100))
            index[node.key] = nodes.count
            nodes.append(node)
        }
    }

    subscript(key: Key) -> Node? { index[key].map { nodes[$0] } }

    func kill(_ key: Key) {
        if let place = index[key] { nodes[place].isAlive = false }
    }

    func revive(_ key: Key) {
        if let place = index[key] { nodes[place].isAlive = true }
    }

    func nearest(_ target: Key, count: Int = 20, aliveOnly: Bool = true) -> [Node] {
        var nearest = ClosestPeers<Node>(target: target, capacity: count)
        for node in nodes where node.isAlive || !aliveOnly { nearest.offer(node.key, node) }
        return nearest.elements
    }

    // MARK: Driving

    func advance(_ milliseconds: Int64) {
        wall = wall.advanced(byMilliseconds: milliseconds)
        uptime = uptime.advanced(byMilliseconds: milliseconds)
    }

    /// Takes the engine's actions in: calls are answered after the round-trip time, dead peers never.
    func take(_ actions: [Action]) {
        for action in actions {
            switch action {
            case .call(let id, let call):
                dialled.append(call.peer.key)
                made.append((uptime, call))
                let delay =
                    isLinkDown
                    ? nil
                    : failures[call.peer.key] != nil ? 5 : self[call.peer.key].flatMap { $0.isAlive ? $0.rtt : nil }
                if let delay { calls.append((uptime.advanced(byMilliseconds: delay), id, call)) }
            case .cancel(let id): calls.removeAll { $0.id == id }
            case .event(let id, let event): events[id, default: []].append(event)
            case .outcome(let id, let outcome):
                if outcomes.updateValue(outcome, forKey: id) != nil { Issue.record("two outcomes of one call") }
            case .publish(let publication): publications.append(publication)
            case .sweep(let time): sweeps.append(time)
            case .wake(let wake): wakeAt = wake
            case .bootstrap: bootstraps += 1
            case .note(let note): notes.append(note)
            }
        }
    }

    private func outcome(_ call: Call) -> CallOutcome {
        if let failure = failures[call.peer.key] {
            if let left = failureCounts[call.peer.key] {
                failureCounts[call.peer.key] = left - 1
                if left <= 1 { failures[call.peer.key] = nil }
            }
            return .failed(failure, address: call.addresses.first)
        }
        let rtt = 1_000 * (self[call.peer.key]?.rtt ?? 1)
        let target: Key
        var content = ReplyContent.none
        switch call.request {
        case .findNode(let wanted): target = wanted.key
        case .getValue(let key), .getProviders(let key):
            target = network.target(hashing: key)
            content = contents[call.peer.key] ?? .none
        case .ping, .putValue, .addProvider:
            return .answered(address: call.addresses.first, rttMicroseconds: rtt, named: [])
        }
        let named =
            lies[call.peer.key]
            ?? nearest(target, count: answerCount, aliveOnly: false).map {
                NamedPeer(id: Array($0.id.bytes), addresses: [$0.address])
            }
        return .answered(address: call.addresses.first, rttMicroseconds: rtt, named: named, content: content)
    }

    /// Goes on from event to event until `isDone`, or until so much virtual time has passed.
    func run(_ engine: NodeEngine, for milliseconds: Int64 = 120_000, until isDone: () -> Bool = { false }) {
        let end = uptime.advanced(byMilliseconds: milliseconds)
        while !isDone() {
            let nextCall = calls.indices.min { (calls[$0].at, calls[$0].id) < (calls[$1].at, calls[$1].id) }
            let callAt = nextCall.map { calls[$0].at }
            let next = [callAt, wakeAt].compactMap { $0 }.min() ?? end
            guard next <= end else { break }
            if next > uptime { advance(next.millisecondsSince(uptime)) }
            if let nextCall, callAt == next {
                let done = calls.remove(at: nextCall)
                take(engine.completed(done.id, outcome(done.call), at: time))
            } else {
                wakeAt = nil
                take(engine.tick(at: time))
            }
            if next == end, callAt == nil, wakeAt == nil { break }
        }
        if uptime < end, !isDone() { advance(end.millisecondsSince(uptime)) }
    }

    /// Runs one lookup to its end.
    func lookup(_ engine: NodeEngine, _ target: Key, _ options: LookupOptions = LookupOptions()) -> [LookupEvent] {
        let (id, actions) = engine.lookup(LookupTarget(key: target), options: options, at: time)
        take(actions)
        run(engine) { if case .finished = events[id]?.last { true } else { false } }
        return events[id] ?? []
    }
}

/// A store in a folder of its own.
final class TemporaryStore {
    let path: String
    private let folder: String

    init() {
        folder = NSTemporaryDirectory() + "kadengine-\(UInt64.random(in: .min ... .max))"
        path = folder + "/peers.db"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func open(
        now: @escaping @Sendable () -> Instant = Instant.systemClock,
        changing change: (inout StoreOptions) -> Void = { _ in }
    ) async throws -> Store {
        var options = StoreOptions()
        options.now = now
        // Virtual days take seconds: on a busy machine the disk need not keep up with them.
        options.queueLimit = 1 << 20
        change(&options)
        return try await Store.open(path, mode: .create(.libp2p, .private), options: options)
    }
}
