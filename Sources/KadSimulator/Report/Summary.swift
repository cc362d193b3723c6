/// A figure over several seeds, with its spread.
public struct Summary: Hashable, Sendable {
    public var mean: Double
    public var median: Double
    public var minimum: Double
    public var maximum: Double
    /// How many seeds measured it.
    public var count: Int

    /// - Returns: nil for no values.
    public init?(_ values: [Double]) {
        let sorted = values.sorted()
        guard let first = sorted.first, let last = sorted.last else { return nil }
        count = sorted.count
        minimum = first
        maximum = last
        mean = sorted.reduce(0, +) / Double(count)
        median = Self.median(sorted: sorted)
    }

    private static func median(sorted: [Double]) -> Double {
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    /// The middle of unsorted values; zero for none.
    public static func median(_ values: [Double]) -> Double { Summary(values)?.median ?? 0 }

    /// The value that a share of all is not above, by rank; zero for none.
    public static func quantile(_ permille: Int, of values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, sorted.count * permille / 1_000)]
    }
}

/// What an experiment has shown over several seeds.
public struct Report: Sendable {
    public struct Line: Sendable {
        public var name: String
        public var summaries: [(metric: Metric, summary: Summary)]
    }

    public var experiment: String
    public var title: String
    public var seeds: [UInt64]
    /// The fingerprint of each seed's run, in their order.
    public var digests: [TraceDigest]
    /// In the order of the first run that has them.
    public var lines: [Line]
    public var goals: [Goal]

    /// Runs an experiment with several seeds.
    ///
    /// - Parameter progress: told of each seed that is done.
    /// - Throws: `CancellationError` when the task was cancelled; temporary files are removed.
    public init(
        _ experiment: some Experiment, seeds: [UInt64], progress: (UInt64) -> Void = { _ in }
    ) async throws {
        var outcomes: [Outcome] = []
        for seed in seeds {
            try Task.checkCancellation()
            outcomes.append(try await experiment.run(seed: seed))
            progress(seed)
        }
        self.init(experiment: experiment.name, title: experiment.title, goals: experiment.goals, seeds, outcomes)
    }

    init(experiment: String, title: String, goals: [Goal], _ seeds: [UInt64], _ outcomes: [Outcome]) {
        self.experiment = experiment
        self.title = title
        self.goals = goals
        self.seeds = seeds
        digests = outcomes.map(\.digest)
        lines = []
        for row in outcomes.flatMap(\.rows) where !lines.contains(where: { $0.name == row.name }) {
            let rows = outcomes.flatMap(\.rows).filter { $0.name == row.name }
            var metrics: [Metric] = []
            for metric in rows.flatMap(\.measurements).map(\.metric) where !metrics.contains(metric) {
                metrics.append(metric)
            }
            let summaries = metrics.compactMap { metric in
                Summary(rows.compactMap { $0[metric] }).map { (metric, $0) }
            }
            lines.append(Line(name: row.name, summaries: summaries))
        }
    }

    public subscript(_ row: String, _ metric: Metric) -> Summary? {
        lines.first { $0.name == row }?.summaries.first { $0.metric == metric }?.summary
    }
}
