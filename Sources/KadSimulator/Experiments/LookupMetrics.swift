/// What is measured of lookups.
extension Metric {
    public static let queries = Metric("queries", "queries", .count)
    public static let timeouts = Metric("timeouts", "timeouts", .count)
    public static let medianTime = Metric("medianMs", "median", .milliseconds)
    public static let p95Time = Metric("p95Ms", "p95", .milliseconds)
    public static let distances = Metric("distances", "distances", .count)
    public static let peakCandidates = Metric("peakCandidates", "peak", .count)
    public static let recall = Metric("recall", "recall", .share)
    /// The recall of an exhaustive search from all contacts of the asker. A store that knows others may find more.
    public static let ceiling = Metric("ceiling", "ceiling", .share)
    public static let timeoutsSaved = Metric("timeoutsSaved", "saved", .share)
}

/// Gathers the lookups of one variant: means of what is counted, median and 95th percentile of the time.
struct LookupTally {
    private var works: [LookupWork] = []
    private var times: [Int64] = []
    private var recalls: [Double] = []

    mutating func add(_ work: LookupWork, microseconds: Int64, recall: Double) {
        works.append(work)
        times.append(microseconds)
        recalls.append(recall)
    }

    var timeouts: Int { works.reduce(0) { $0 + $1.timeouts } }

    var meanRecall: Double { Summary(recalls)?.mean ?? 0 }

    /// - Parameters:
    ///   - ceiling: the recall of an exhaustive search.
    ///   - baseline: whose timeouts this one is to avoid; nil for those that do not try.
    func row(_ name: String, ceiling: Double, baseline: LookupTally? = nil) -> Row {
        func mean(_ values: [Double]) -> Double { Summary(values)?.mean ?? 0 }
        let milliseconds = times.map { Double($0) / 1_000 }
        var row = Row(
            name,
            [
                Measurement(.queries, mean(works.map { Double($0.queries) })),
                Measurement(.timeouts, mean(works.map { Double($0.timeouts) })),
                Measurement(.medianTime, Summary.median(milliseconds)),
                Measurement(.p95Time, Summary.quantile(950, of: milliseconds)),
                Measurement(.distances, mean(works.map { Double($0.distances) })),
                Measurement(.peakCandidates, works.map(\.peakCandidates).max() ?? 0),
                Measurement(.recall, meanRecall), Measurement(.ceiling, ceiling),
            ])
        if let baseline, baseline.timeouts > 0 {
            let saved = 1 - Double(timeouts) / Double(baseline.timeouts)
            row.measurements.append(Measurement(.timeoutsSaved, saved))
        }
        return row
    }
}
