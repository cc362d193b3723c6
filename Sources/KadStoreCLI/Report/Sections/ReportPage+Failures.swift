import KadStore
import Kademlia

extension ReportPage {
    /// Failures over time, a small chart for each class on one axis.
    var failureSection: Section {
        let axis = TimeAxis(survey.failures.flatMap { [$0.first, $0.last] })
        let ordered = survey.failures.sorted {
            ($1.count, $0.failureClass.rawValue) < ($0.count, $1.failureClass.rawValue)
        }
        var charts = HTML.empty
        if let axis { for failures in ordered { charts += figure(failures, axis) } }
        let total = statistics.failures.reduce(0) { sum, failures in
            let (next, overflow) = sum.addingReportingOverflow(max(0, failures.count))
            return overflow ? .max : next
        }
        let ranked = RankedTable(
            title: "Failures by class", nameTitle: "Class", countTitle: "Failures",
            rows: statistics.failures.enumerated().map { index, failures in
                RankedTable.Row(
                    name: failures.name, count: numbers.count("failures.\(index).count", failures.count),
                    share: Double(failures.count) / Double(max(1, total)))
            })
        return Section(
            id: "failures", title: "Failures",
            lead: total == 0
                ? "No failure has been counted."
                : """
                \(Terminal.page.count(total, "failure")) counted. Columns: peers' addresses by when they last failed so; \
                line: when they first did.
                """,
            body: total == 0 ? .empty : "<div class=\"narrow\">\(ranked.html)</div><div class=\"grid\">\(charts)</div>")
    }

    private func figure(_ failures: Survey.Failures, _ axis: TimeAxis) -> HTML {
        let name = failures.failureClass.name
        let first = axis.counts(failures.first)
        let last = axis.counts(failures.last)
        let chart = ColumnChart(
            columns: last.indices.map {
                ColumnChart.Column(name: axis.name($0), value: last[$0], line: first[$0])
            }, ticks: axis.ticks, isBad: failures.failureClass.countsAgainstPeer)
        return Figure(
            id: "failed-\(name)", title: name,
            caption: """
                \(Terminal.page.count(failures.count)) at \(Terminal.page.count(failures.places, "address", "addresses"))\
                \(failures.failureClass.countsAgainstPeer ? "" : "; does not count against the peer")
                """,
            description: "When addresses last and first failed with \(name): \(failures.places) addresses",
            drawing: chart.drawing,
            data: DataTable(
                caption: "Addresses that failed with \(name)", columns: ["From (UTC)", "last failed", "first failed"],
                rows: last.indices.filter { first[$0] + last[$0] > 0 }.map { index in
                    [
                        "\(Calendar.minute(axis.start(index)))", "\(Terminal.page.count(last[index]))",
                        "\(Terminal.page.count(first[index]))",
                    ]
                })
        ).html
    }
}
