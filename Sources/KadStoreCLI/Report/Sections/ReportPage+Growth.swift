import KadStore
import Kademlia

extension ReportPage {
    /// How the store came to be as large as it is.
    var growthSection: Section {
        let page = Terminal.page
        var body = HTML.empty
        if let axis = TimeAxis([survey.firstSeen]) {
            body += timeFigure(
                "first-seen", "First seen", "Peers by when they were first seen", survey.firstSeen, axis)
            body += cumulative(axis)
        }
        let perPeer: HTML =
            statistics.bytesPerPeer.map {
                ", \(numbers.mark("bytesPerPeer", FixedPoint.text($0, digits: 0))) bytes a peer"
            } ?? .empty
        let values = statistics.holdings.values + statistics.holdings.ownValues
        let providers = statistics.holdings.providers + statistics.holdings.ownProviders
        return Section(
            id: "growth", title: "Growth",
            lead: """
                The file has \(numbers.mark("fileBytes", page.bytes(statistics.fileBytes)))\(perPeer), its log \
                \(numbers.mark("logBytes", page.bytes(statistics.logBytes))). A running node keeps at most \
                \(numbers.count("peerCap", store.peerCap)) peers; \(numbers.count("tombstones", statistics.tombstones)) \
                were dropped and are remembered for it. For the network it keeps \
                \(numbers.count("values.count", values.count)) values \
                (\(numbers.mark("values.bytes", page.bytes(values.bytes)))) and \
                \(numbers.count("providers.count", providers.count)) providers \
                (\(numbers.mark("providers.bytes", page.bytes(providers.bytes)))).
                """,
            body: "<div class=\"grid\">\(body)</div>")
    }

    private func cumulative(_ axis: TimeAxis) -> HTML {
        var sum = survey.firstSeen.implausible
        let sums = axis.counts(survey.firstSeen).map { count -> Int in
            sum += count
            return sum
        }
        let chart = ColumnChart(
            columns: sums.enumerated().map { ColumnChart.Column(name: axis.name($0), value: $1) }, ticks: axis.ticks,
            isArea: true)
        return Figure(
            id: "cumulative", title: "Peers in all",
            caption:
                "Of the peers that are here now, how many there were. Those that were dropped meanwhile are not in it.",
            description: "From \(sums.first ?? 0) to \(sums.last ?? 0) peers", drawing: chart.drawing,
            data: DataTable(
                caption: "Peers in all", columns: ["From (UTC)", "peers"],
                rows: sums.enumerated().map { index, count in
                    ["\(Calendar.minute(axis.start(index)))", "\(Terminal.page.count(count))"]
                })
        ).html
    }
}
