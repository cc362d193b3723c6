import Kademlia

/// The node lookup of the paper (Maymounkov and Mazières, 2002, section 2.3), with alpha requests always under way: the
/// paper's freedom to begin the next round before the last has ended.
///
/// Of the k nearest that it has heard of and that have not failed, it asks the nearest that was not asked. When alpha
/// answers in a row named nobody nearer, all of the k nearest are asked at once. It ends when the k nearest have all
/// answered. Who fails is removed from consideration.
public struct StandardKademlia: LookupAlgorithm {
    private var list: Shortlist
    private let alpha: Int
    private let k: Int
    private var inFlight = 0
    /// Answers in a row that named nobody nearer than the nearest known.
    private var barren = 0
    public private(set) var isFinished = false

    public init(target: Key, localKey: Key, seeds: [Key], alpha: Int, k: Int) {
        list = Shortlist(target: target, localKey: localKey, seeds: seeds)
        self.alpha = max(1, alpha)
        self.k = k
    }

    public var result: [Key] {
        Array(list.entries.lazy.filter { $0.state == .answered }.map(\.key).prefix(k))
    }

    public var work: LookupWork { list.work }

    public mutating func start() -> [Key] { ask() }

    public mutating func answered(_ peer: Key, naming peers: [Key]) -> [Key] {
        list.set(peer, .answered)
        inFlight -= 1
        var isProgress = false
        for peer in peers where list.hear(peer) == 0 { isProgress = true }
        barren = isProgress ? 0 : barren + 1
        return ask()
    }

    public mutating func failed(_ peer: Key) -> [Key] {
        list.set(peer, .failed)
        list.work.timeouts += 1
        inFlight -= 1
        return ask()
    }

    private mutating func ask() -> [Key] {
        let nearest = list.nearest(k)
        let width = barren >= alpha ? max(k, alpha) : alpha
        var peers: [Key] = []
        for place in nearest where inFlight < width && list.entries[place].state == .heard {
            let peer = list.entries[place].key
            list.ask(peer)
            inFlight += 1
            peers.append(peer)
        }
        isFinished = nearest.allSatisfy { list.entries[$0].state == .answered }
        return peers
    }
}
