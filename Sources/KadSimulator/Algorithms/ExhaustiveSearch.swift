import Kademlia

/// Asks everybody that anybody names, until nobody new is named: the most that can be found in a network whose tables are
/// as they are. The ceiling that stands beside the algorithms, not one of them.
public struct ExhaustiveSearch: LookupAlgorithm {
    private var list: Shortlist
    private let k: Int
    private var inFlight = 0

    /// All contacts: k in each bucket at most, and few nodes have 50 buckets.
    public static func seedCount(k: Int) -> Int { 50 * k }

    public init(target: Key, localKey: Key, seeds: [Key], alpha: Int, k: Int) {
        list = Shortlist(target: target, localKey: localKey, seeds: seeds)
        self.k = k
    }

    public var isFinished: Bool { inFlight == 0 }

    public var result: [Key] {
        Array(list.entries.lazy.filter { $0.state == .answered }.map(\.key).prefix(k))
    }

    public var work: LookupWork { list.work }

    public mutating func start() -> [Key] { ask(list.entries.map(\.key)) }

    public mutating func answered(_ peer: Key, naming peers: [Key]) -> [Key] {
        list.set(peer, .answered)
        inFlight -= 1
        return ask(peers.filter { list.hear($0) != nil })
    }

    public mutating func failed(_ peer: Key) -> [Key] {
        list.set(peer, .failed)
        list.work.timeouts += 1
        inFlight -= 1
        return []
    }

    private mutating func ask(_ peers: [Key]) -> [Key] {
        for peer in peers { list.ask(peer) }
        inFlight += peers.count
        return peers
    }
}
