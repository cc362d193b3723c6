import KadStore
import Kademlia

extension ReportPage {
    /// Who was there when.
    var livenessSection: Section {
        var body = HTML.empty
        if let days = seenOnDays { body += days }
        let axis = TimeAxis([survey.lastSeen, survey.lastOK])
        if let axis {
            body += timeFigure(
                "last-seen", "Last seen", "Peers by when something was last heard of them", survey.lastSeen, axis)
            body += timeFigure("last-answer", "Last answer", "Peers by when they last answered", survey.lastOK, axis)
        }
        return Section(
            id: "liveness", title: "Liveness over time",
            lead: body.source.isEmpty
                ? "Nothing has been seen yet." : "When peers were seen, and when they last answered.",
            body: "<div class=\"grid\">\(body)</div>")
    }

    /// A histogram of dates on an axis that it shares.
    func timeFigure(
        _ id: String, _ title: String, _ what: String, _ histogram: TimeHistogram, _ axis: TimeAxis
    ) -> HTML {
        let counts = axis.counts(histogram)
        let chart = ColumnChart(
            columns: counts.enumerated().map { ColumnChart.Column(name: axis.name($0), value: $1) }, ticks: axis.ticks)
        let left: HTML =
            histogram.implausible > 0
            ? " \(Terminal.page.count(histogram.implausible)) with dates that cannot be are left out." : .empty
        return Figure(
            id: id, title: title, caption: "\(what); a column is \(axis.unit).\(left)",
            description: "\(what): \(histogram.total) from \(axis.name(0)) to \(axis.name(axis.count - 1))",
            drawing: chart.drawing,
            data: DataTable(
                caption: what, columns: ["From (UTC)", "peers"],
                rows: counts.enumerated().filter { $0.element > 0 }.map { index, count in
                    ["\(Calendar.minute(axis.start(index)))", "\(Terminal.page.count(count))"]
                })
        ).html
    }

    /// The 32 days up to the newest: so far back a peer's own days are remembered.
    private var seenOnDays: HTML? {
        guard let newest = survey.seenOnDay.keys.max() else { return nil }
        let days = (newest - 31...newest).map { day in
            (name: Calendar.day(Instant(milliseconds: day * 86_400_000)), count: survey.seenOnDay[day] ?? 0)
        }
        let chart = ColumnChart(
            columns: days.map { ColumnChart.Column(name: $0.name, value: $0.count) },
            ticks: [0, 16, 32].map { position in
                ColumnChart.Tick(position: Double(position), text: days[min(position, days.count - 1)].name)
            })
        let most = days.map(\.count).max() ?? 0
        return Figure(
            id: "days", title: "Seen on each day",
            caption: "Peers that were seen on a day (UTC), the last 32 days that anything was.",
            description: "Peers seen on each of 32 days, at most \(most), on the last one \(days[31].count)",
            drawing: chart.drawing,
            data: DataTable(
                caption: "Peers seen on each day", columns: ["Day (UTC)", "peers"],
                rows: days.map { ["\($0.name)", "\(Terminal.page.count($0.count))"] })
        ).html
    }
}
