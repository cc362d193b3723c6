import KadEngine
import KadStore
import Kademlia

/// Thirty days in a network whose nodes come, go and die while others are born: does what the node keeps level off?
public struct MonthOfChurn: Experiment {
    /// Nodes that are ever born, in the month or before it.
    public var nodes: Int
    public var days: Int
    public var medianLifetime: Int64
    /// The engine's times of forgetting, divided by this: with the defaults nothing levels off before a month is over.
    public var haste: Int64

    public init(nodes: Int = 5_000, days: Int = 30, medianLifetime: Int64 = 2 * Span.day, haste: Int64 = 5) {
        self.nodes = nodes
        self.days = days
        self.medianLifetime = medianLifetime
        self.haste = haste
    }

    public var name: String { "month" }

    private var retention: Retention {
        let usual = Retention.Configuration()
        return Retention(
            configuration: .init(
                silenceMilliseconds: usual.silenceMilliseconds / haste,
                unseenMilliseconds: usual.unseenMilliseconds / haste))
    }

    static let refresh = 6 * Span.hour
    static let revalidation = 5 * Span.minute

    public var title: String {
        let usual = Retention.Configuration()
        func days(_ milliseconds: Int64) -> Int64 { milliseconds / haste / 86_400_000 }
        return """
            \(self.days) days of churn: \(nodes) nodes that are born, come and go, and die after \(medianLifetime / Span.day) \
            days (median); who was unseen for \(days(usual.unseenMilliseconds)) days is forgotten (the default \
            divided by \(haste)), each bucket is refreshed every \(Self.refresh / Span.hour) h, one contact pinged in \(Self.revalidation / Span.minute) min
            """
    }

    private func row(_ day: Int) -> String { "day \(day)" }
    static let growth = "growth in the last third"

    public var goals: [Goal] {
        [
            Goal("the file levels off: at most 10 % in the last third", row: Self.growth, .fileGrowth, .atMost(0.1)),
            Goal("rows level off: at most 10 % in the last third", row: Self.growth, .rowGrowth, .atMost(0.1)),
            Goal("memory levels off: at most 10 % in the last third", row: Self.growth, .memoryGrowth, .atMost(0.1)),
        ]
    }

    public func run(seed: UInt64) async throws -> Outcome {
        let end = Int64(days) * Span.day
        let churn = Churn(medianLifetime: medianLifetime, horizon: Scenario.begin.microseconds + end)
        guard let scenario = try Scenario(NetworkConfiguration(nodes: nodes, churn: churn), seed: seed) else {
            return Outcome()
        }
        var settings = ObservedNode.Settings()
        settings.commitInterval = Span.minute
        settings.engine.retention = retention
        settings.engine.refresh = .init(intervalMilliseconds: Self.refresh / Span.millisecond)
        settings.engine.revalidation = .init(meanMilliseconds: Self.revalidation / Span.millisecond)
        settings.engine.clockMilliseconds = Span.hour / Span.millisecond
        let node = scenario.observed("node.db", settings: settings)
        try await node.start()
        var outcome = Outcome()
        for third in 1...3 {
            let day = days * third / 3
            try await node.advance(to: Scenario.begin + Int64(day) * Span.day)
            guard let statistics = try await node.store?.statistics() else { return outcome }
            let table = node.engine?.table
            outcome.rows.append(
                Row(
                    row(day),
                    [
                        Measurement(.fileSize, statistics.fileBytes),
                        Measurement(.logSize, statistics.logBytes),
                        Measurement(.rows, statistics.peers),
                        Measurement(.tombstones, statistics.tombstones),
                        Measurement(
                            .memory, (table?.count ?? 0) + (table?.replacementCount ?? 0) + statistics.heldFailures),
                        Measurement(.dialsSoFar, node.tally.dials),
                        Measurement(.droppedSoFar, node.tally.dropped),
                    ]))
        }
        let (middle, last) = (outcome.rows[1], outcome.rows[2])
        func growth(_ metric: Metric) -> Double {
            guard let middle = middle[metric], middle > 0 else { return 0 }
            return (last[metric] ?? 0) / middle - 1
        }
        outcome.rows.append(
            Row(
                Self.growth,
                [
                    Measurement(.fileGrowth, growth(.fileSize)),
                    Measurement(.rowGrowth, growth(.rows)),
                    Measurement(.memoryGrowth, growth(.memory)),
                ]))
        outcome.digest.add(node.digest)
        try await node.stop()
        return outcome
    }
}

extension Metric {
    public static let fileSize = Metric("fileBytes", "file", .bytes)
    public static let logSize = Metric("logBytes", "log", .bytes)
    public static let tombstones = Metric("tombstones", "tombstones", .count)
    /// What the node holds in memory for longer than a call: contacts, waiting contacts, held failures.
    public static let memory = Metric("held", "in memory", .count)
    public static let dialsSoFar = Metric("dials", "dials", .count)
    public static let droppedSoFar = Metric("dropped", "dropped", .count)
    public static let fileGrowth = Metric("fileGrowth", "file", .share)
    public static let rowGrowth = Metric("rowGrowth", "rows", .share)
    public static let memoryGrowth = Metric("memoryGrowth", "in memory", .share)
}
