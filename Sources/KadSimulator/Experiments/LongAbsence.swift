import KadEngine
import KadStore
import Kademlia

/// A month switched off, and clocks that are wrong: what is lost of a store, and does the node still dial?
public struct LongAbsence: Experiment {
    public var nodes: Int
    /// Dead nodes in a thousand.
    public var deadPermille: Int
    /// How long the node runs in each of its lives.
    public var running: Int64

    public init(nodes: Int = 500, deadPermille: Int = 200, running: Int64 = 2 * Span.hour) {
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.running = running
    }

    /// What happens between two lives of the node, or in the midst of the second.
    enum Accident: String, CaseIterable {
        case month = "a month switched off"
        case ahead = "clock 5 years ahead at start"
        case behind = "clock 5 years behind at start"
        case leap = "clock leaps 5 years ahead while running"
        case fall = "clock falls 5 years behind while running"
        case repaired = "clock 5 years ahead for one life, then right"
    }

    static let years = 5 * 365 * Span.day / Span.millisecond
    static let lookupInterval = 5 * Span.minute
    /// Of a timeout, or of a breaker with its jitter: nothing else happens to anybody here.
    static let longestWait: Int64 = {
        let policy = FailurePolicy.standard
        return max(
            policy[.timeout].capMilliseconds,
            policy.breaker.capMilliseconds / 100 * Int64(100 + policy.breaker.jitterPercent))
    }()

    public var name: String { "absence" }

    public var title: String {
        """
        Absence and wrong clocks: \(nodes) nodes, \(deadPermille / 10) % dead, all of them in the store; the node runs for \
        \(running / Span.hour) h, something happens, and it runs as long again, with a lookup every \
        \(Self.lookupInterval / Span.minute) min
        """
    }

    public var goals: [Goal] {
        Accident.allCases.flatMap { accident in
            [
                Goal("\(accident.rawValue): no row lost", row: accident.rawValue, .rowsLost, .atMost(0)),
                Goal(
                    "\(accident.rawValue): every live peer can be dialled", row: accident.rawValue, .liveBarred,
                    .atMost(0)),
                Goal(
                    "\(accident.rawValue): no wait beyond the longest of the rules", row: accident.rawValue,
                    .longestWait, .atMost(Double(Self.longestWait))),
                Goal("\(accident.rawValue): lookups are right", row: accident.rawValue, .recall, .atLeast(0.95)),
            ]
        }
    }

    public func run(seed: UInt64) async throws -> Outcome {
        let configuration = NetworkConfiguration(nodes: nodes, deadPermille: deadPermille)
        guard let scenario = try Scenario(configuration, seed: seed) else { return Outcome() }
        try await scenario.prepare("before.db") { preparation in
            try await preparation.rememberContacts(haveAnswered: true)
            try await preparation.rememberAnswers(permille: 1_000)
            try await preparation.rememberFailures(permille: LookupComparison.knownDeadPermille)
        }
        var outcome = Outcome()
        for accident in Accident.allCases {
            let file = "node.db"
            try scenario.folder.copy("before.db", to: file)
            let node = scenario.observed(file)
            outcome.rows.append(try await suffer(accident, node, scenario))
            outcome.digest.add(node.digest)
            scenario.folder.remove(file)
        }
        return outcome
    }

    private func suffer(_ accident: Accident, _ node: ObservedNode, _ scenario: Scenario) async throws -> Row {
        if accident == .repaired { node.machine.setClock(aheadBy: Self.years) }
        try await node.start()
        try await node.lookUp(every: Self.lookupInterval, until: node.now + running)
        let before = Set(try node.store?.everyPeer().map(\.key) ?? [])
        let isRestart = accident != .leap && accident != .fall
        if isRestart {
            try await node.stop()
            try await node.advance(by: accident == .month ? 31 * Span.day : Span.hour)
            node.machine.reboot()
        }
        switch accident {
        case .month, .repaired: node.machine.setClock(aheadBy: 0)
        case .ahead, .leap: node.machine.setClock(aheadBy: Self.years)
        case .behind, .fall: node.machine.setClock(aheadBy: -Self.years)
        }
        if isRestart { try await node.start() }
        let dials = node.tally.dials
        let old =
            try node.store?.everyPeer().count { node.machine.wall.millisecondsSince($0.lastSeen) > Self.month } ?? 0
        let recalls = try await node.lookUp(every: Self.lookupInterval, until: node.now + running, from: 3_000_000)
        let rows = try node.store?.everyPeer() ?? []
        let wall = node.machine.wall
        let waits = rows.compactMap { row in
            row.backoff.map { (row.key, $0.dialVerdict(at: wall).remainingMilliseconds) }
        }
        try await node.stop()
        return Row(
            accident.rawValue,
            [
                Measurement(.rows, rows.count),
                Measurement(.olderThanMonth, old),
                Measurement(.rowsLost, before.subtracting(rows.map(\.key)).count),
                Measurement(.liveBarred, waits.count { $0.1 > 0 && scenario.isLive($0.0, at: node.now) }),
                Measurement(.longestWait, waits.map(\.1).max() ?? 0),
                Measurement(.dialsAfter, node.tally.dials - dials),
                Measurement(.recall, Summary(recalls)?.mean ?? 0),
            ])
    }

    private static let month = 30 * Span.day / Span.millisecond
}

extension Metric {
    public static let rows = Metric("rows", "rows", .count)
    public static let olderThanMonth = Metric("olderThanMonth", "older than 30 d by the clock", .count)
    public static let rowsLost = Metric("rowsLost", "lost", .count)
    public static let liveBarred = Metric("liveBarred", "live barred", .count)
    public static let longestWait = Metric("longestWaitMs", "longest wait", .milliseconds)
    public static let dialsAfter = Metric("dialsAfter", "dials after", .count)
}
