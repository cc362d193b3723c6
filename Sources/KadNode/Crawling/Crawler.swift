import KadEngine
import KadStore
import Kademlia
import Multiformats
import Synchronization

/// Walks over a whole network into the store: asks every peer that it learns of for the peers of each of its buckets.
///
///     let crawler = try Crawler(store: store, asking: node)
///     let crawl = try await crawler.run(from: bootstrap) { progress in … }
///
/// A crawl that was interrupted, or killed, goes on where it was: whom it was done with is in the store, with what it found
/// of each; what it loses is what the store loses, a second at most, and those few are visited again. What peers answer is
/// remembered of them as every call of the node is.
public struct Crawler: Sendable {
    public struct Configuration: Sendable {
        /// Visits at a time.
        public var parallel = 100
        /// The most peers: whoever answers can name others that do not exist. 2^20 take about 100 MB here.
        public var maximumPeers = 1 << 20
        /// Whether peers whose backoff has not ended are asked as well.
        public var asksEverybody = false
        /// Bytes that every target's preimage begins with (see ``EngineConfiguration/preimagePrefix``).
        public var preimagePrefix = EngineConfiguration().preimagePrefix
        /// Of the targets that are drawn.
        public var seed = UInt64.random(in: .min ... .max)

        public init() {}
    }

    /// How far a crawl is, in this run and before.
    public struct Progress: Hashable, Sendable {
        public var answered = 0
        public var failed = 0
        public var leftOut = 0
        public var underWay = 0
        public var waiting = 0
        /// Answers to requests, in this run.
        public var answers = 0

        /// Peers that the crawl is done with.
        public var visited: Int { answered + failed + leftOut }
        /// Peers that are known, visited ones among them.
        public var known: Int { visited + underWay + waiting }
    }

    /// What has come of a run.
    public struct Report: Hashable, Sendable {
        public var crawl: Crawl
        /// Whether it was begun by an earlier run.
        public var isResumed: Bool
        /// Answers to requests, in this run.
        public var answers: Int
        /// Peers that are still to be visited.
        public var remaining: Int
        /// Whether peers were left out because there were ``Configuration/maximumPeers``.
        public var isTruncated: Bool
    }

    /// Sends one request to one peer, wherever it is known to be.
    public typealias Ask = @Sendable (Request, Peer) async throws(TransportError) -> Reply

    let store: Store
    let configuration: Configuration
    let localKey: Key
    let ask: Ask
    private let targets: Targets

    /// - Parameter node: asks, remembers, and is not visited itself.
    public init(asking node: KadNode, configuration: Configuration = Configuration()) {
        let options = AskOptions(insists: configuration.asksEverybody)
        self.init(store: node.store, localKey: node.identity.peer.key, configuration: configuration) {
            (request, peer) throws(TransportError) in
            try await node.ask(request, of: peer.id, options: options)
        }
    }

    init(store: Store, localKey: Key, configuration: Configuration = Configuration(), ask: @escaping Ask) {
        self.store = store
        self.localKey = localKey
        self.configuration = configuration
        self.ask = ask
        targets = Targets(
            BucketTargets(network: store.network, prefix: configuration.preimagePrefix, seed: configuration.seed))
    }

    /// Begins a crawl, or goes on with the one that has not ended, until nobody is left to visit or the task is cancelled:
    /// the crawl then waits to be gone on with.
    ///
    /// - Parameters:
    ///   - bootstrap: with whom to begin, beside those whom the store knows.
    ///   - restart: whether one that has not ended is given up for a new one.
    ///   - onProgress: called after each visit, from one task.
    /// - Throws: ``StoreError`` when the store cannot be read or written.
    public func run(
        from bootstrap: [(PeerID, [Multiaddr])] = [], restart: Bool = false,
        onProgress: (Progress) -> Void = { _ in }
    ) async throws(StoreError) -> Report {
        var walk = try await CrawlWalk(self, restart: restart)
        for (id, addresses) in bootstrap {
            try await walk.found(store.peer(id), at: addresses.filter(store.scope.admits), from: "bootstrap")
        }
        try await walk.run(onProgress)
        return try await walk.end()
    }

    // MARK: One visit

    /// What a visit has brought.
    struct Visited: Sendable {
        let peer: Peer
        /// Nil when the visit was cancelled.
        var outcome: VisitOutcome?
        var answers = 0
        var named: [Key: (peer: Peer, addresses: [Multiaddr])] = [:]
    }

    /// Asks one peer for its buckets, one after the other.
    func visit(_ peer: Peer) async -> Visited {
        var visited = Visited(peer: peer)
        var visit = CrawlVisit()
        while !visit.isOver, !Task.isCancelled {
            guard let target = targets.target(bucket: visit.bucket, of: peer.key) else {
                visit.passedOver()
                continue
            }
            do throws(TransportError) {
                let named = screened(try await ask(.findNode(target), peer).named)
                for key in visit.answered(naming: named.keys) { visited.named[key] = named[key] }
                visited.answers += 1
            } catch {
                // One that answered before has been found, whatever comes of the rest. That it was not dialled, for its
                // backoff, says nothing new of it.
                if visited.answers == 0 {
                    visited.outcome = error.failureClass == .cancelled ? .leftOut : .failed(error.failureClass)
                }
                break
            }
        }
        if Task.isCancelled { visited.outcome = nil } else if visited.answers > 0 { visited.outcome = .answered }
        return visited
    }

    /// The peers of an answer that can be visited. The node has screened them; a transport alone has not.
    private func screened(_ named: [NamedPeer]) -> [Key: (peer: Peer, addresses: [Multiaddr])] {
        var peers: [Key: (peer: Peer, addresses: [Multiaddr])] = [:]
        for entry in named.prefix(Self.maximumNamed) {
            guard let id = PeerID(entry.id), store.network.idEncoding.admits(id), let peer = try? store.peer(id),
                peer.key != localKey
            else { continue }
            let addresses = entry.addresses.prefix(Self.maximumAddresses).filter(store.scope.admits)
            peers[peer.key] = (peer, addresses)
        }
        return peers
    }

    private static let maximumNamed = ReplyScreen.Limits().peers
    private static let maximumAddresses = ReplyScreen.Limits().addressesPerPeer
}

/// The targets of all visits: a search for one serves the others.
private final class Targets: Sendable {
    private let targets: Mutex<BucketTargets>

    init(_ targets: BucketTargets) { self.targets = Mutex(targets) }

    func target(bucket: Int, of key: Key) -> LookupTarget? {
        targets.withLock { $0.target(bucket: bucket, of: key) }
    }
}
