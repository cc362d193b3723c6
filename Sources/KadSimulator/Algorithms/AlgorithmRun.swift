import Kademlia

/// One lookup of an algorithm in a simulated network, from its first request to its result.
public struct AlgorithmRun: Sendable {
    /// What the lookup cost.
    public private(set) var work = LookupWork()
    /// From the first request until the result.
    public private(set) var microseconds: Int64 = 0
    /// What it returned, nearest first.
    public private(set) var result: [Key] = []
    public private(set) var digest = TraceDigest()

    /// How long an algorithm without memory waits for a peer: 5 s, go-libp2p's dial timeout for one address and the
    /// figure of the design's table.
    public static let timeout = 5 * Span.second

    /// - Parameters:
    ///   - asker: the node that looks up; it begins with its nearest contacts.
    ///   - nonce: tells lookups apart; a peer's luck in one of them is the same for all algorithms.
    public init<Algorithm: LookupAlgorithm>(
        _ algorithm: Algorithm.Type, in network: SimulatedNetwork, from asker: Int, target: Key, alpha: Int,
        nonce: UInt64, at begin: VirtualTime
    ) {
        let k = network.configuration.k
        let contacts = network.closestContacts(of: asker, to: target, count: Algorithm.seedCount(k: k), at: begin)
        var lookup = Algorithm(
            target: target, localKey: network.key(of: asker), seeds: contacts.map { network.key(of: $0) }, alpha: alpha,
            k: k)
        var queue = EventQueue<(node: Int, isAnswer: Bool)>()
        var now = begin

        func send(_ peers: [Key]) {
            for peer in peers {
                guard let node = network.node(peer) else { continue }
                switch network.request(from: asker, to: node, nonce: nonce, at: now) {
                case .answer(let after) where after < Self.timeout: queue.schedule((node, true), at: now + after)
                case .refusal(let after) where after < Self.timeout: queue.schedule((node, false), at: now + after)
                default: queue.schedule((node, false), at: now + Self.timeout)
                }
            }
        }
        send(lookup.start())
        while !lookup.isFinished, let (time, event) = queue.next() {
            now = time
            digest.add(time)
            digest.add(event.node)
            let peer = network.key(of: event.node)
            if event.isAnswer {
                let named = network.closestContacts(of: event.node, to: target, count: k, at: now)
                send(lookup.answered(peer, naming: named.map { network.key(of: $0) }))
            } else {
                send(lookup.failed(peer))
            }
        }
        work = lookup.work
        result = lookup.result
        microseconds = now - begin
        for key in result { digest.add(key) }
    }
}
