import KadEngine
import KadStore
import Kademlia

/// Months in the life of one node whose store never rests: peers that are born, come, go and die, lookups by the minute, values and
/// providers that come and expire, a restart now and then. Does what it keeps, and what it takes, level off?
///
/// The network and the node are simulated; the store is real, its maintenance on, and what it takes is measured.
public struct Soak: Sendable {
    /// Nodes that are ever born, over all days.
    public var nodes = 60_000
    public var days = 120
    public var medianLifetime = 10 * Span.day
    /// From one lookup to the next.
    public var lookupInterval = Span.minute / 2
    /// Values, and as many providers, that others leave with the node in an hour. Each expires after a day or two.
    public var valuesPerHour = 100
    /// Days from one restart to the next.
    public var restartDays = 10
    /// Samples that are taken each day.
    public var samplesPerDay = 1
    /// From one commit of what was recorded to the next.
    public var commitInterval = Span.second
    /// The node's settings: with the defaults some 300,000 events a day, and what nobody has seen for 30 days is forgotten.
    public var engine = EngineConfiguration()

    public init() {}

    /// What is measured with: clocks and memory are the caller's.
    public struct Meter: Sendable {
        public var nanoseconds: @Sendable () -> Int64
        /// The memory of the process in bytes.
        public var residentBytes: @Sendable () -> Int

        public init(nanoseconds: @escaping @Sendable () -> Int64, residentBytes: @escaping @Sendable () -> Int) {
            self.nanoseconds = nanoseconds
            self.residentBytes = residentBytes
        }
    }

    /// The state of things at the end of some hours, and times within them.
    public struct Sample: Sendable {
        /// Virtual days since the begin.
        public let day: Double
        /// Events that were recorded so far.
        public let events: Int64
        public let statistics: Statistics
        public let residentBytes: Int
        /// Transactions that wrote what was queued, with their checkpoints.
        public let commits: Quantiles
        /// Searches for the twenty nearest of a random target.
        public let searches: Quantiles
    }

    /// Lives through all days.
    ///
    /// - Parameter report: called with each sample, in order.
    public func run(seed: UInt64, meter: Meter, report: (Sample) async throws -> Void) async throws {
        let churn = Churn(
            medianLifetime: medianLifetime, horizon: Scenario.begin.microseconds + Int64(days) * Span.day)
        guard let scenario = try Scenario(NetworkConfiguration(nodes: nodes, churn: churn), seed: seed) else { return }
        let stopwatch = Stopwatch(meter: meter)
        var settings = ObservedNode.Settings()
        settings.engine = engine
        settings.commitInterval = commitInterval
        settings.commit = { store in
            let begin = meter.nanoseconds()
            try await store.commit()
            stopwatch.note(since: begin)
        }
        let node = scenario.observed("node.db", settings: settings)
        try await node.start()
        var life = Life(node: node, soak: self)
        for day in 0..<days {
            if day > 0, day % restartDays == 0 { try await life.restart() }
            for part in 1...samplesPerDay {
                let end = Int64(day) * Span.day + Int64(part) * Span.day / Int64(samplesPerDay)
                try await life.advance(to: Scenario.begin + end)
                guard let store = node.store else { return }
                try await report(
                    Sample(
                        day: Double(end) / Double(Span.day), events: life.events,
                        statistics: try await store.statistics(), residentBytes: meter.residentBytes(),
                        commits: stopwatch.take(), searches: try life.search(stopwatch)))
            }
        }
        try await node.stop()
    }
}

/// What happens to the node, hour by hour.
private struct Life {
    let node: ObservedNode
    let soak: Soak
    /// Events of the store's earlier openings.
    private var earlier: Int64 = 0
    private var lookups = 0
    private var values = 0
    private var searches = 0
    private static let searchesPerSample = 1_000

    init(node: ObservedNode, soak: Soak) {
        self.node = node
        self.soak = soak
    }

    private var draw: Draw { node.internet.network.draw[.scenario] }

    var events: Int64 { earlier + (node.store?.recordedCount ?? 0) }

    mutating func restart() async throws {
        earlier = events
        try await node.stop()
        try await node.start()
    }

    mutating func advance(to end: VirtualTime) async throws {
        while node.now < end {
            let hour = min(end, node.now + Span.hour)
            while node.now < hour {
                try await node.advance(to: min(hour, node.now + soak.lookupInterval))
                _ = try await node.lookup(node.target(lookups))
                lookups += 1
            }
            try await receive()
        }
    }

    /// What others leave with the node in an hour; and what has expired goes.
    private mutating func receive() async throws {
        guard let store = node.store else { return }
        let now = node.machine.wall
        for _ in 0..<soak.valuesPerHour {
            values += 1
            let luck = draw[3][values]
            let key = Array("/test/\(luck[0].below(1 << 40))".utf8)
            let expiry = now.advanced(byMilliseconds: (1 + Int64(luck[1].below(2))) * Span.day / Span.millisecond)
            let value = [UInt8](repeating: 0x76, count: 100 + luck[2].below(900))
            try store.record(.valueStored(StoredValue(key: key, value: value, receivedAt: now, expiresAt: expiry)))
            guard let provider = node.internet.network.liveNode(luck[3], at: node.now),
                let id = node.internet.network.id(of: provider)
            else { continue }
            let address = node.internet.network.address(of: provider)
            try store.record(
                .providerStored(
                    StoredProvider(
                        key: key, peer: try store.peer(id), addresses: [address], receivedAt: now, expiresAt: expiry)))
        }
        // As a node does.
        try await store.sweepValues(at: now)
        try await store.sweepStrings()
        node.clearTally()
    }

    /// Searches the store, each by itself.
    mutating func search(_ stopwatch: Stopwatch) throws -> Quantiles {
        guard let store = node.store else { return stopwatch.take() }
        for _ in 0..<Self.searchesPerSample {
            searches += 1
            let luck = draw[4][searches]
            let target = Key(luck[0].bits, luck[1].bits, luck[2].bits, luck[3].bits)
            let begin = stopwatch.meter.nanoseconds()
            _ = try store.nearest(to: target, count: 20)
            stopwatch.note(since: begin)
        }
        return stopwatch.take()
    }
}
