import TestSupport
import Testing

@testable import KadSimulator

/// The experiments at a size that a debug build does in seconds. What they show at full size is the simulator's output.
@Suite("Experiments with one observed node")
struct ScenarioTests {
    private func report(_ experiment: some Experiment) async throws -> Report {
        try await Report(experiment, seeds: [1])
    }

    @Test("Nothing but the seed matters")
    func determinism() async throws {
        let experiments: [any Experiment] = [
            Trickle(nodes: 60, length: 3 * Span.hour), Eclipse(nodes: 150, groups: [2], perBucket: 4),
        ]
        for experiment in experiments {
            let (first, again) = (try await experiment.run(seed: 1), try await experiment.run(seed: 1))
            #expect(first == again)
            #expect(try await experiment.run(seed: 2).digest != first.digest)
        }
    }

    private func expectGoals(_ report: Report) {
        #expect(!report.goals.isEmpty)
        for goal in report.goals {
            #expect(
                goal.isMet(by: report) == true, "\(goal.title): \(String(describing: report[goal.row, goal.metric]))")
        }
    }

    @Test("An outage charges no live peer, and the dead are learnt all the same")
    func outage() async throws {
        let report = try await report(
            Outage(.hour, nodes: 200, lookupInterval: 4 * Span.minute, around: 30 * Span.minute))
        expectGoals(report)
        #expect(report[Outage.whole, .swallowed]?.minimum ?? 0 > 100, "naive counting would have charged them")
    }

    @Test("A link that flaps charges next to nobody")
    func flapping() async throws {
        let report = try await report(
            Outage(.flapping, nodes: 200, lookupInterval: 4 * Span.minute, around: 30 * Span.minute))
        expectGoals(report)
        #expect(report[Outage.whole, .swallowed]?.minimum ?? 0 > 100)
    }

    @Test("A trickle of traffic is enough to learn who is dead, thanks to the canary")
    func trickle() async throws {
        let report = try await report(Trickle(nodes: 150))
        expectGoals(report)
        #expect(report[Trickle.withoutCanary, .deadLearnt]?.maximum ?? 1 < 0.5)
    }

    @Test("A warm start is in health long before a cold one")
    func restart() async throws {
        let experiment = Restart(nodes: 300, before: 3 * Span.hour)
        let report = try await report(experiment)
        let goal = try #require(experiment.goals.first { $0.metric == .healthySooner })
        #expect(goal.isMet(by: report) == true)
        #expect(report[Restart.gain, .correctSooner]?.minimum ?? 0 > 1)
    }

    @Test("The newest rows of a store do not win its table")
    func eclipse() async throws {
        let report = try await report(Eclipse(nodes: 300, groups: [1, 4], perBucket: 10))
        expectGoals(report)
    }

    @Test("Neither a month switched off nor a wrong clock loses anything")
    func absence() async throws {
        let report = try await report(LongAbsence(nodes: 120, running: 40 * Span.minute))
        expectGoals(report)
        #expect(report[LongAbsence.Accident.month.rawValue, .olderThanMonth]?.minimum ?? 0 > 50)
    }

    @Test("What a node keeps levels off")
    func month() async throws {
        expectGoals(
            try await Report(MonthOfChurn(nodes: 300, days: 6, medianLifetime: Span.day / 4, haste: 60), seeds: [1]))
    }
}
