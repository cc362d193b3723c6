import KadStore

extension ReportPage {
    /// Where an eclipse would show: how few networks and sources hold how much.
    var networkSection: Section {
        let page = Terminal.page
        let located = survey.groups.total
        let networks = RankedTable(
            title: "Largest networks", nameTitle: "/24 or /48", countTitle: "Peers",
            note: located == 0
                ? "No peer has an IP address." : Self.text(survey.groups, "peers", "network", "networks"),
            rows: survey.largestGroups.map { share in
                RankedTable.Row(
                    name: share.group.text, count: "\(page.count(share.count))",
                    share: Double(share.count) / Double(max(1, located)))
            })
        let sources = RankedTable(
            title: "Who told of the peers", nameTitle: "Source", countTitle: "Peers",
            note: survey.sources.total == 0
                ? "No peer has a source." : Self.text(survey.sources, "peers", "source", "sources"),
            rows: statistics.sources.enumerated().map { index, source in
                RankedTable.Row(
                    name: source.name, count: numbers.count("sources.\(index).count", source.count),
                    share: Double(source.count) / Double(max(1, survey.sources.total)))
            })
        let without: HTML =
            survey.peersWithoutGroup > 0 && located > 0
            ? "<p>\(page.count(survey.peersWithoutGroup, "peer")) without an IP address are in no network.</p>" : .empty
        return Section(
            id: "networks", title: "Networks and sources",
            lead: """
                An eclipse needs addresses in many networks; where few hold much, one operator may. A peer counts where it \
                last answered, or else at its first address.
                """,
            body: "<div class=\"wide\">\(networks.html)\(sources.html)</div>\(without)")
    }

    private static func text(
        _ concentration: Concentration, _ noun: String, _ singular: String, _ plural: String
    ) -> HTML {
        let page = Terminal.page
        let least = concentration.isExact ? "" : "at least "
        return """
            \(page.count(concentration.total)) \(noun) in \(least)\(page.count(concentration.distinct, singular, plural)); \
            <b>\(least)\(page.count(concentration.holdingHalf))</b> \(concentration.holdingHalf == 1 ? "holds" : "hold") \
            half of them.\(concentration.isExact ? "" : " Counts may be \(concentration.shortfall) too low.")
            """
    }
}
