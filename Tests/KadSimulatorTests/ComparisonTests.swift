import Kademlia
import TestSupport
import Testing

@testable import KadSimulator

@Suite("Comparison of lookups")
struct ComparisonTests {
    private static let experiment = LookupComparison(
        nodes: 400, deadPermille: [500], alphas: [10], lookups: 6, askers: 2, earlierLookups: 10)

    private func row(_ name: String) -> String { LookupComparison.row(500, 10, name) }

    @Test("The engine finds more than the origin's rounds, sooner; memory spares timeouts", arguments: Seeds.first(2))
    func engineGains(seed: UInt64) async throws {
        let report = try await Report(Self.experiment, seeds: [seed])
        func mean(_ name: String, _ metric: Metric) throws -> Double {
            try #require(report[row(name), metric]?.mean, "\(name): \(metric.name)")
        }
        for memory in LookupComparison.Memory.allCases {
            let name = "engine, \(memory.rawValue)"
            #expect(try mean(name, .recall) > mean("origin", .recall) + 0.2)
            #expect(try mean(name, .medianTime) < mean("origin", .medianTime))
            #expect(try mean(name, .p95Time) < mean("standard", .p95Time))
            #expect(try mean(name, .peakCandidates) <= 100)
        }
        let cold = try mean("engine, cold", .timeouts)
        #expect(try mean("engine, history", .timeouts) < 0.3 * cold)
        #expect(try mean("engine, earned history", .timeouts) < cold)
        #expect(try mean("engine, history", .queries) < mean("engine, cold", .queries))
        let widened = try mean("engine, history, stop 1.5 k", .recall)
        #expect(try widened >= mean("engine, history", .recall) && widened >= 0.95)
        // Every goal names a row that there is.
        #expect(report.goals.count == 4)
        for goal in report.goals { #expect(goal.isMet(by: report) != nil, "\(goal.title)") }
    }

    @Test("The engine's rows, too, follow from the seed")
    func determinism() async throws {
        var experiment = Self.experiment
        experiment.lookups = 2
        let first = try await experiment.run(seed: 9)
        #expect(try await experiment.run(seed: 9) == first)
    }

    @Test("Under churn lookups work, and no goal is set")
    func churn() async throws {
        let experiment = LookupComparison(
            nodes: 300, deadPermille: [0], alphas: [10], lookups: 4, askers: 1, churn: Churn(),
            memories: [.cold, .history])
        let report = try await Report(experiment, seeds: [1])
        let row = LookupComparison.row(0, 10, "engine, history")
        #expect(report.experiment == "lookups-churn" && report.goals.isEmpty)
        #expect(try #require(report[row, .recall]?.mean) > 0.9)
    }

    @Test("Experiments have names of their own")
    func registry() {
        let names = Experiments.all().map(\.name)
        #expect(Set(names).count == names.count && names.contains("lookups"))
    }

    @Test("A summary is centre and spread, and a goal is kept or not by the mean")
    func summaries() throws {
        let summary = try #require(Summary([4, 1, 3, 2]))
        #expect(summary == Summary([1, 2, 3, 4]))
        #expect(summary.mean == 2.5 && summary.median == 2.5 && summary.minimum == 1 && summary.maximum == 4)
        #expect(Summary([]) == nil)
        let outcomes = [1.0, 2.0].map { Outcome(rows: [Row("a", [Measurement(.queries, $0)])]) }
        let report = Report(experiment: "e", title: "t", goals: [], [1, 2], outcomes)
        func isMet(_ row: String, _ bound: Goal.Bound) -> Bool? {
            Goal("g", row: row, .queries, bound).isMet(by: report)
        }
        #expect(isMet("a", .atMost(1.5)) == true && isMet("a", .atMost(1.4)) == false)
        #expect(isMet("a", .atLeast(1.5)) == true && isMet("a", .atLeast(1.6)) == false)
        #expect(isMet("b", .atMost(9)) == nil)
    }
}
