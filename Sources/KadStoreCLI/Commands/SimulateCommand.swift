import ArgumentParser
import KadSimulator

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Put questions to a simulated network: what memory gains, and what it survives.",
        discussion: """
            Thousands of nodes in one process under a virtual clock. A node that is observed runs the engine over a \
            real store, in a temporary folder. Everything follows from the seed: the same seed gives the same trace, \
            whose fingerprint is printed. Without names all experiments run.

            Each figure is a mean over the seeds, with half the distance between the least and the greatest. A goal \
            that is missed is a finding, not an error, unless --check asks for status 1.

            EXAMPLES:
              kadstore simulate --list
              kadstore simulate lookups
              kadstore simulate lookups --nodes 100000 --seeds 5 --alpha 3 --alpha 10 --dead 20
              kadstore simulate --seeds 10 --json > report.json

            JSON: {version, nodes, lookups, seeds: [integer], experiments: [{name: text, title: text, traces: [text] (a \
            fingerprint of each seed), rows: [{name: text, figures: {NAME: {unit: "count" or "milliseconds" or "bytes" \
            or "share", mean: number, median: number, least: number, greatest: number, seeds}}}], goals: [{title: text, \
            row: text, figure: text, bound: "atMost" or "atLeast", limit: number, value: number or null, isMet or \
            null}]}]}
            JSON with --list: {version, experiments: [{name: text, title: text, goals}]}
            """)

    @Argument(help: ArgumentHelp("The experiments to run; --list names them.", valueName: "experiment"))
    var experiments: [String] = []

    @Flag(help: "List the experiments.")
    var list = false

    @Option(help: "Nodes of each network.")
    var nodes = ExperimentConfiguration().nodes

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("How many seeds, one after the other.", valueName: "count"))
    var seeds = 3

    @Option(help: ArgumentHelp("Lookups of each variant with each seed.", valueName: "count"))
    var lookups = ExperimentConfiguration().lookups

    @Option(help: ArgumentHelp("Requests at a time, in 'lookups'. May be given again.", valueName: "count"))
    var alpha = ExperimentConfiguration().alphas

    @Option(help: ArgumentHelp("Percentage of dead nodes, in 'lookups'. May be given again.", valueName: "percent"))
    var dead = ExperimentConfiguration().deadPermille.map { $0 / 10 }

    @Option(help: ArgumentHelp("Lookups of the hour before, where a node earned its history.", valueName: "count"))
    var earlier = ExperimentConfiguration().earlierLookups

    @Flag(help: "Exit with status 1 when a goal is missed.")
    var check = false

    @OptionGroup var output: OutputOptions

    private static let manySeeds = 1_000
    private static let manyLookups = 100_000

    private var settings: ExperimentConfiguration {
        ExperimentConfiguration(
            nodes: nodes, lookups: lookups, alphas: alpha, deadPermille: dead.map { $0 * 10 }, earlierLookups: earlier)
    }

    private var chosen: [any Experiment] {
        let all = Experiments.all(settings)
        return experiments.isEmpty ? all : all.filter { experiments.contains($0.name) }
    }

    func validate() throws {
        let range = ExperimentConfiguration.nodesRange
        guard range.contains(nodes) else {
            throw ValidationError("--nodes is between \(range.lowerBound) and \(range.upperBound).")
        }
        guard (1...Self.manySeeds).contains(seeds) else {
            throw ValidationError("--seeds is between 1 and \(Self.manySeeds).")
        }
        // JSON numbers have a sign.
        guard seed <= UInt64(Int64.max) - UInt64(Self.manySeeds) else { throw ValidationError("--seed is too large.") }
        guard (1...Self.manyLookups).contains(lookups) else {
            throw ValidationError("--lookups is between 1 and \(Self.manyLookups).")
        }
        guard (0...Self.manyLookups).contains(earlier) else {
            throw ValidationError("--earlier is between 0 and \(Self.manyLookups).")
        }
        guard !alpha.isEmpty, alpha.allSatisfy({ (1...100).contains($0) }) else {
            throw ValidationError("--alpha is between 1 and 100.")
        }
        guard !dead.isEmpty, dead.allSatisfy({ (0...90).contains($0) }) else {
            throw ValidationError("--dead is between 0 and 90.")
        }
        let names = Experiments.all(ExperimentConfiguration()).map(\.name)
        for name in experiments where !names.contains(name) {
            throw ValidationError("No experiment '\(name)'. There are: \(names.joined(separator: ", ")).")
        }
    }

    func run() async throws {
        var output = Output()
        let view = SimulationView(terminal: output.terminal)
        if list {
            if self.output.isJSON {
                try output.line(SimulationView.json(chosen).text)
            } else {
                for line in view.lines(chosen) { try output.line(line) }
            }
            return try output.flush()
        }
        var reports: [Report] = []
        for experiment in chosen {
            let report = try await run(experiment)
            reports.append(report)
            guard !self.output.isJSON else { continue }
            if reports.count > 1 { try output.line() }
            for line in view.lines(report) { try output.line(line) }
            // Experiments take their time: each is shown when it is done.
            try output.flush()
        }
        if self.output.isJSON { try output.line(SimulationView.json(reports, settings).text) }
        try output.flush()
        let missed = reports.flatMap { report in report.goals.filter { $0.isMet(by: report) != true } }
        summarise(reports, missed: missed.count)
        if check, !missed.isEmpty { throw CommandError.goalsMissed(missed.count) }
    }

    /// Ctrl-C ends it in good order: its stores lie in memory, where they have one.
    private func run(_ experiment: any Experiment) async throws -> Report {
        let seeds = (0..<UInt64(self.seeds)).map { seed + $0 }
        let progress = StageProgress(experiment.name)
        progress.update("seed 1 of \(seeds.count)")
        defer { progress.finish() }
        do {
            return try await Interruption.cancelling {
                try await Report(experiment, seeds: seeds) { done in
                    let number = Int(done - seeds[0]) + 2
                    if number <= seeds.count { progress.update("seed \(number) of \(seeds.count)") }
                }
            }
        } catch is CancellationError {
            throw CommandError.interrupted("interrupted.")
        }
    }

    private func summarise(_ reports: [Report], missed: Int) {
        let goals = reports.reduce(0) { $0 + $1.goals.count }
        guard goals > 0 else { return }
        let terminal = Terminal.standardError
        Messages.note("\(goals - missed) of \(terminal.count(goals, "goal")) met")
    }
}
