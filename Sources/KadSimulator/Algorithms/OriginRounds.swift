import Kademlia

/// Rounds of alpha over the fully sorted list of the k nearest: the lookup of py-libp2p (`kad_dht/peer_routing.py`,
/// `find_closest_peers_network`), where this project began.
///
/// A round asks the first alpha that were not asked, and waits for all of them: one silent peer takes the whole timeout.
/// Then the list is joined with what was named, sorted anew and cut to k. It ends after 20 rounds, when nobody is left to
/// ask, when nobody was named, or when the list did not change. Whoever failed stays in the list, and in the result.
///
/// Deviation: the source does not remove duplicates before it cuts the list, so that a peer named often takes several of
/// its k places. Here each takes one.
public struct OriginRounds: LookupAlgorithm {
    public static let maximumRounds = 20

    private let target: Key
    private let localKey: Key
    private let alpha: Int
    private let k: Int
    private var closest: [Key]
    private var asked: Set<Key> = []
    private var named: [Key] = []
    private var awaited = 0
    private var rounds = 0
    public private(set) var isFinished = false
    public private(set) var work = LookupWork()

    public init(target: Key, localKey: Key, seeds: [Key], alpha: Int, k: Int) {
        self.target = target
        self.localKey = localKey
        self.alpha = max(1, alpha)
        self.k = k
        closest = []
        closest = sorted(seeds)
    }

    public var result: [Key] { closest }

    public mutating func start() -> [Key] { nextRound() }

    public mutating func answered(_ peer: Key, naming peers: [Key]) -> [Key] {
        for peer in peers where peer != localKey && !named.contains(peer) { named.append(peer) }
        return settle()
    }

    public mutating func failed(_ peer: Key) -> [Key] {
        work.timeouts += 1
        return settle()
    }

    private mutating func settle() -> [Key] {
        awaited -= 1
        guard awaited == 0 else { return [] }
        let before = closest
        if !named.isEmpty { closest = sorted(closest + named.filter { !closest.contains($0) }) }
        guard !named.isEmpty, closest != before else {
            isFinished = true
            return []
        }
        return nextRound()
    }

    private mutating func nextRound() -> [Key] {
        let batch = Array(closest.lazy.filter { [asked] in !asked.contains($0) }.prefix(alpha))
        guard rounds < Self.maximumRounds, !batch.isEmpty else {
            isFinished = true
            return []
        }
        rounds += 1
        named = []
        awaited = batch.count
        asked.formUnion(batch)
        work.queries += batch.count
        return batch
    }

    /// The whole list is sorted, and each distance computed anew (the source hashes each id anew, too).
    private mutating func sorted(_ peers: [Key]) -> [Key] {
        work.distances += peers.count
        work.peakCandidates = max(work.peakCandidates, peers.count)
        return Array(peers.sorted { $0.distance(to: target) < $1.distance(to: target) }.prefix(k))
    }
}
