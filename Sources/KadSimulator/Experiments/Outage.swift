import KadEngine
import Kademlia

/// An uplink that is dead, for an hour or for seconds again and again: whom does the node blame?
///
/// Nobody tells the node that its uplink is dead. It goes on with lookups and upkeep, and all of its calls time out.
public struct Outage: Experiment {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Dead for one hour.
        case hour
        /// For an hour up and down, each for a drawn time of 5 to 30 seconds: both fit into the minute around a failure.
        case flapping
        /// Never dead: how it goes without.
        case none
    }

    public var kind: Kind
    public var nodes: Int
    /// Dead nodes in a thousand.
    public var deadPermille: Int
    /// From one lookup to the next.
    public var lookupInterval: Int64
    /// How long the node runs before and after it.
    public var around: Int64

    public init(
        _ kind: Kind, nodes: Int = 1_000, deadPermille: Int = 400, lookupInterval: Int64 = 30 * Span.second,
        around: Int64 = Span.hour
    ) {
        self.kind = kind
        self.nodes = nodes
        self.deadPermille = deadPermille
        self.lookupInterval = lookupInterval
        self.around = around
    }

    public var name: String {
        switch kind {
        case .hour: "outage"
        case .flapping: "flapping"
        case .none: "no-outage"
        }
    }

    public var title: String {
        let what =
            switch kind {
            case .hour: "The uplink is dead for an hour, and nobody tells the node"
            case .flapping: "The uplink flaps for an hour, up and down for 5 to 30 s each, and nobody tells the node"
            case .none: "The uplink is well"
            }
        return """
            \(what): \(nodes) nodes, \(deadPermille / 10) % dead, whom it has yet to learn; a \
            lookup every \(lookupInterval / Span.second) s, \(around / Span.minute) min before and after it
            """
    }

    static let before = "before"
    static let during = "at its end"
    static let whole = "after"

    public var goals: [Goal] {
        switch kind {
        case .none: [Goal("dead peers are learnt", row: Self.whole, .deadLearnt, .atLeast(0.95))]
        case .hour:
            [
                Goal("no live peer wrongly charged", row: Self.whole, .wrongCharges, .atMost(0)),
                Goal("dead peers are still learnt", row: Self.whole, .deadLearnt, .atLeast(0.95)),
            ]
        case .flapping:
            [
                Goal("at most 1 % of live peers wrongly charged", row: Self.whole, .liveCharged, .atMost(0.01)),
                Goal("none to a streak of 5", row: Self.whole, .liveAtFive, .atMost(0)),
                Goal("dead peers are still learnt", row: Self.whole, .deadLearnt, .atLeast(0.95)),
            ]
        }
    }

    public func run(seed: UInt64) async throws -> Outcome {
        let configuration = NetworkConfiguration(nodes: nodes, deadPermille: deadPermille)
        guard let scenario = try Scenario(configuration, seed: seed) else { return Outcome() }
        try await scenario.prepare("node.db") { preparation in
            try await preparation.rememberContacts(haveAnswered: true)
            try await preparation.rememberAnswers(permille: LookupComparison.knownPermille)
        }
        let begin = Scenario.begin + around
        let end = begin + Span.hour
        var settings = ObservedNode.Settings()
        settings.outages = outages(from: begin, until: end, scenario.network.draw[.scenario][1])
        let node = scenario.observed("node.db", settings: settings)
        try await node.start()
        var outcome = Outcome()
        let before = try await node.lookUp(every: lookupInterval, until: begin)
        outcome.rows.append(node.tally.row(Self.before, recalls: before))
        let during = try await node.lookUp(every: lookupInterval, until: end, from: 1_000_000)
        outcome.rows.append(node.tally.row(Self.during, recalls: during))
        let recalls = try await node.lookUp(every: lookupInterval, until: end + around, from: 2_000_000)
        outcome.rows.append(node.tally.row(Self.whole, recalls: recalls))
        outcome.digest.add(node.digest)
        try await node.stop()
        return outcome
    }

    private func outages(from begin: VirtualTime, until end: VirtualTime, _ draw: Draw) -> [Range<VirtualTime>] {
        var outages: [Range<VirtualTime>] = []
        if kind == .hour { outages.append(begin..<end) }
        guard kind == .flapping else { return outages }
        var time = begin
        for number in 0... where time < end {
            func duration(_ draw: Draw) -> Int64 { 5 * Span.second + Int64(draw.below(UInt64(25 * Span.second))) }
            let up = time + duration(draw[number][0])
            time = min(end, up + duration(draw[number][1]))
            if up < time { outages.append(up..<time) }
            if time >= end { break }
        }
        return outages
    }
}
