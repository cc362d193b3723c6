import KadStore

extension ReportPage {
    /// What peers say of themselves.
    var nameSection: Section {
        func table(_ title: String, _ nameTitle: String, _ path: String, _ list: [Statistics.Named]) -> HTML {
            guard !list.isEmpty else { return .empty }
            return RankedTable(
                title: title, nameTitle: nameTitle, countTitle: "Peers",
                note: "Share of all peers; the \(Statistics.topCount) most frequent.",
                rows: list.enumerated().map { index, entry in
                    RankedTable.Row(
                        name: entry.name, count: numbers.count("\(path).\(index).count", entry.count),
                        share: Double(entry.count) / Double(max(1, statistics.peers)))
                }
            ).html
        }
        let body =
            table("Agents", "Agent", "agents", statistics.agents)
            + table("Protocol sets", "Protocols", "protocolSets", statistics.protocols)
        return Section(
            id: "names", title: "Agents and protocols",
            lead: body.source.isEmpty
                ? "No peer has said what it is." : "What peers say of themselves: nobody vouches for it.",
            body: "<div class=\"wide\">\(body)</div>")
    }
}
