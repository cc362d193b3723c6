import KadStore

extension ReportPage {
    /// How long answers take.
    var roundTripSection: Section {
        guard let rtt = statistics.rtt else {
            return Section(
                id: "rtt", title: "Round-trip times", lead: "No round trip has been measured.", body: .empty)
        }
        let page = Terminal.page
        let axis = MagnitudeAxis(bins: survey.rtt) { page.microseconds($0) }
        let marks = [("median", rtt.p50), ("90 %", rtt.p90)].compactMap { name, value in
            axis.position(value).map { ColumnChart.Tick(position: $0, text: "\(name) \(page.microseconds(value))") }
        }
        let chart = ColumnChart(columns: axis.columns, ticks: axis.ticks, marks: marks)
        let figure = Figure(
            id: "rtt-histogram", title: "Peers by smoothed round-trip time",
            caption: "Each column is a quarter of a doubling.",
            description: "Median \(page.microseconds(rtt.p50)), 90 percent below \(page.microseconds(rtt.p90))",
            drawing: chart.drawing,
            data: DataTable(
                caption: "Peers by round-trip time", columns: ["From", "to", "peers"], rows: axis.rows))
        return Section(
            id: "rtt", title: "Round-trip times",
            lead: """
                Of \(numbers.count("rttUs.count", rtt.count)) peers: a tenth below \
                \(numbers.mark("rttUs.p10", page.microseconds(rtt.p10))), half below \
                \(numbers.mark("rttUs.p50", page.microseconds(rtt.p50))), nine tenths below \
                \(numbers.mark("rttUs.p90", page.microseconds(rtt.p90))), all but a hundredth below \
                \(numbers.mark("rttUs.p99", page.microseconds(rtt.p99))).
                """,
            body: "<div class=\"wide\">\(figure.html)</div>")
    }
}
