import KadStore

extension ReportPage {
    /// What lookups cost, and how they ended.
    var lookupSection: Section {
        let lookups = statistics.lookups
        let page = Terminal.page
        guard lookups.count > 0 else {
            return Section(
                id: "lookups", title: "Lookups", lead: "No node has made a lookup with this store.", body: .empty)
        }
        let ends = RankedTable(
            title: "How they ended", nameTitle: "End", countTitle: "Lookups",
            rows: lookups.totals.enumerated().map { index, total in
                RankedTable.Row(
                    name: total.reason.name, count: numbers.count("lookups.ends.\(index).count", total.lookups),
                    share: Double(total.lookups) / Double(max(1, lookups.count)))
            })
        let axis = MagnitudeAxis(bins: survey.lookupDurations) {
            page.microseconds($0.multipliedSaturated(by: 1_000))
        }
        var marks: [ColumnChart.Tick] = []
        if let spread = lookups.spread(\.milliseconds) {
            marks = [("median", spread.p50), ("90 %", spread.p90)].compactMap { name, value in
                axis.position(value).map { ColumnChart.Tick(position: $0, text: "\(name) \(axis.text(value))") }
            }
        }
        let chart = ColumnChart(columns: axis.columns, ticks: axis.ticks, marks: marks)
        let durations = Figure(
            id: "durations", title: "How long the latest took",
            caption: "The last \(numbers.count("lookups.recent.count", lookups.recent.count)) lookups.",
            description: marks.map(\.text).joined(separator: ", "), drawing: chart.drawing,
            data: DataTable(caption: "Lookups by duration", columns: ["From", "to", "lookups"], rows: axis.rows))
        return Section(
            id: "lookups", title: "Lookups",
            lead: """
                \(numbers.count("lookups.count", lookups.count)) finished: \
                \(numbers.count("lookups.queries", lookups.total(\.queries))) queries, \
                \(numbers.count("lookups.answers", lookups.total(\.answers))) answered, \
                \(numbers.count("lookups.failures", lookups.total(\.failures))) failed, of them \
                \(numbers.count("lookups.timeouts", lookups.total(\.timeouts))) by timeout; \
                \(numbers.count("lookups.skipped", lookups.total(\.skipped))) peers spared because history speaks against them.
                """,
            body: "<div class=\"wide\">\(lookups.recent.isEmpty ? .empty : durations.html)\(ends.html)</div>\(costs)")
    }

    private var costs: HTML {
        let page = Terminal.page
        let lookups = statistics.lookups
        let costs: [(name: String, member: String, text: (Int64) -> String, spread: LookupHistory.Spread?)] = [
            (
                "duration", "durationMs", { page.microseconds($0.multipliedSaturated(by: 1_000)) },
                lookups.spread(\.milliseconds)
            ),
            ("queries", "queries", { page.count($0) }, lookups.spread { Int64($0.queries) }),
            ("timeouts", "timeouts", { page.count($0) }, lookups.spread { Int64($0.timeouts) }),
            ("hops", "hops", { page.count($0) }, lookups.spread { Int64($0.hops) }),
        ]
        let rows = costs.compactMap { cost -> [HTML]? in
            guard let spread = cost.spread else { return nil }
            func cell(_ name: String, _ value: Int64) -> HTML {
                numbers.mark("lookups.recent.\(cost.member).\(name)", cost.text(value))
            }
            return ["\(cost.name)", cell("p50", spread.p50), cell("p90", spread.p90), cell("p99", spread.p99)]
        }
        guard !rows.isEmpty else { return .empty }
        return DataTable(
            caption: "What one of the latest lookups cost", columns: ["", "median", "90 % below", "99 % below"],
            rows: rows
        ).html
    }
}
