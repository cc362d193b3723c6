import Kademlia

/// go-libp2p-kad-dht's lookup (`query.go`, `runLookupWithFollowup`): it ends early, and then asks the rest of its result.
///
/// Alpha requests are under way until the beta = 3 nearest peers that are not unreachable have answered. The k nearest
/// that are not known to be unreachable are the result; those of them that have not answered are then asked all at once,
/// and the lookup waits for them, but neither their answers nor their failures change the result.
///
/// Deviation: the source cancels all requests when the first part ends, and asks those of the result again. Here those
/// that are under way go on.
public struct GoLibp2p: LookupAlgorithm {
    public static let beta = 3

    private var list: Shortlist
    private let alpha: Int
    private let k: Int
    private var inFlight = 0
    /// Whom the second part waits for; nil in the first.
    private var awaited: Set<Key>?
    public private(set) var result: [Key] = []

    public init(target: Key, localKey: Key, seeds: [Key], alpha: Int, k: Int) {
        list = Shortlist(target: target, localKey: localKey, seeds: seeds)
        self.alpha = max(1, alpha)
        self.k = k
    }

    public var isFinished: Bool { awaited?.isEmpty ?? false }

    public var work: LookupWork { list.work }

    public mutating func start() -> [Key] { proceed() }

    public mutating func answered(_ peer: Key, naming peers: [Key]) -> [Key] {
        guard awaited == nil else {
            awaited?.remove(peer)
            return []
        }
        for peer in peers { list.hear(peer) }
        list.set(peer, .answered)
        inFlight -= 1
        return proceed()
    }

    public mutating func failed(_ peer: Key) -> [Key] {
        guard awaited == nil else {
            if awaited?.remove(peer) != nil { list.work.timeouts += 1 }
            return []
        }
        list.set(peer, .failed)
        list.work.timeouts += 1
        inFlight -= 1
        return proceed()
    }

    private mutating func proceed() -> [Key] {
        let isConverged = list.nearest(Self.beta).allSatisfy { list.entries[$0].state == .answered }
        let waiting = list.entries.lazy.filter { $0.state == .heard }.map(\.key)
        guard !isConverged, inFlight > 0 || !waiting.isEmpty else { return followUp() }
        let peers = Array(waiting.prefix(alpha - inFlight))
        for peer in peers { list.ask(peer) }
        inFlight += peers.count
        return peers
    }

    private mutating func followUp() -> [Key] {
        let nearest = list.nearest(k).map { list.entries[$0] }
        result = nearest.map(\.key)
        let peers = nearest.filter { $0.state == .heard }.map(\.key)
        for peer in peers { list.ask(peer) }
        awaited = Set(peers + nearest.filter { $0.state == .asked }.map(\.key))
        return peers
    }
}
