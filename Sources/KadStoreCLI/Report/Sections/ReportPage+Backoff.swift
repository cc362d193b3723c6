import KadStore
import Kademlia

extension ReportPage {
    /// Who must wait, for how long, and behind which breakers.
    var backoffSection: Section {
        guard !survey.backoffs.isEmpty || statistics.backedOff > 0 else {
            return Section(
                id: "backoff", title: "Backoff and breakers", lead: "No peer is backed off, and no breaker has opened.",
                body: .empty)
        }
        return Section(
            id: "backoff", title: "Backoff and breakers",
            lead: """
                \(Terminal.page.count(statistics.backedOff, "peer")) must not be dialled now; \
                \(Terminal.page.count(statistics.openBreakers, "circuit breaker")) \
                \(statistics.openBreakers == 1 ? "is" : "are") not closed.
                """,
            body: "<div class=\"wide\">\(waits)\(breakers)</div>")
    }

    private var waits: HTML {
        let bins = survey.waits
        func name(_ bin: Survey.Bin) -> String {
            bin.upper == .max ? "more" : "below \(Span.text(milliseconds: bin.upper))"
        }
        let used = Array(bins[...(bins.lastIndex { $0.count > 0 } ?? 0)])
        let chart = ColumnChart(
            columns: used.map { ColumnChart.Column(name: name($0), value: $0.count) },
            ticks: used.enumerated().map { index, bin in
                ColumnChart.Tick(
                    position: Double(index + 1), text: bin.upper == .max ? "" : Span.text(milliseconds: bin.upper))
            })
        return Figure(
            id: "waits", title: "How long they still wait",
            caption: "Peers by the time until they may be dialled again.",
            description: bins.filter { $0.count > 0 }.map { "\(name($0)): \($0.count)" }.joined(separator: ", "),
            drawing: chart.drawing,
            data: DataTable(
                caption: "Peers by remaining wait", columns: ["Wait", "peers"],
                rows: bins.map { ["\(name($0))", "\(Terminal.page.count($0.count))"] })
        ).html
    }

    private var breakers: HTML {
        func row(_ name: HTML, _ counts: [Int]) -> HTML {
            let cells = counts.map { count -> HTML in "<td class=\"r\">\(Terminal.page.count(count))</td>" }
            return "<tr><th scope=\"row\">\(name)</th>\(cells)</tr>\n"
        }
        func counts(_ backoff: Survey.Backoffs) -> [Int] {
            [backoff.waiting, backoff.ready, backoff.open, backoff.trialDue, backoff.halfOpen]
        }
        let rows = survey.backoffs.map { row("\($0.failureClass.name)", counts($0)) }
        let sums = survey.backoffs.map(counts).reduce([0, 0, 0, 0, 0]) { zip($0, $1).map(+) }
        return """
            <div><h3>Breakers by last failure</h3><p class="lead">Closed: dialled as usual once the wait is over. Open: not \
            dialled, then one trial. Half-open: a trial is under way.</p>
            <div class="scroll" tabindex="0" role="region" aria-label="Breakers by last failure"><table>\
            <thead><tr><th scope="col">Last failure</th><th scope="col" class="r">closed, waiting</th>\
            <th scope="col" class="r">closed, ready</th><th scope="col" class="r">open</th>\
            <th scope="col" class="r">open, trial due</th><th scope="col" class="r">half-open</th></tr></thead>
            <tbody>\(rows)</tbody><tfoot>\(row("<b>all</b>", sums))</tfoot></table></div></div>
            """
    }
}
