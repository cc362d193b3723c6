import KadStore

extension ReportPage {
    /// The numbers that are asked for first.
    var overview: Section {
        let page = Terminal.page
        var facts: [HTML] = [
            fact("Peers", numbers.count("peers", statistics.peers), isLead: true),
            fact("Answered", numbers.count("answered", statistics.answered), note: share(statistics.answered)),
            fact("Never asked", numbers.count("unverified", statistics.unverified), note: share(statistics.unverified)),
            fact("Failing", numbers.count("failing", statistics.failing), note: share(statistics.failing)),
            fact("Backed off now", numbers.count("backedOff", statistics.backedOff), note: share(statistics.backedOff)),
            fact(
                "Breakers not closed", numbers.count("openBreakers", statistics.openBreakers),
                note: share(statistics.openBreakers)),
            fact(
                "Contacts in tables", numbers.count("contacts", statistics.contacts),
                note: """
                    \(numbers.count("replacements", statistics.replacements)) waiting, \
                    \(numbers.count("identities", statistics.identities)) \(statistics.identities == 1 ? "node" : "nodes")
                    """),
            fact(
                "Addresses", numbers.count("addresses", statistics.addresses),
                note: "\(numbers.count("peersWithoutAddress", statistics.peersWithoutAddress)) peers without any"),
        ]
        if let rtt = statistics.rtt {
            facts.append(
                fact(
                    "Round trip, median", numbers.mark("rttUs.p50", page.microseconds(rtt.p50)),
                    note: "of \(numbers.count("rttUs.count", rtt.count)) peers"))
        }
        if let answer = statistics.lastOK {
            facts.append(
                fact(
                    "Last answer", numbers.mark("lastOkMs", Span.text(answer, from: now)),
                    note: "\(Calendar.minute(answer))"))
        }
        if let seen = statistics.lastSeen {
            facts.append(
                fact(
                    "Last seen", numbers.mark("lastSeenMs", Span.text(seen, from: now)),
                    note: "\(Calendar.minute(seen))"))
        }
        facts.append(
            fact(
                "File", numbers.mark("fileBytes", page.bytes(statistics.fileBytes)),
                note: "log \(numbers.mark("logBytes", page.bytes(statistics.logBytes)))"))
        if statistics.candidates > 0 {
            facts.append(
                fact(
                    "Candidates", numbers.count("candidates", statistics.candidates),
                    note: "addresses without a peer id"))
        }
        if statistics.heldFailures > 0 {
            facts.append(
                fact("Failures held", numbers.count("heldFailures", statistics.heldFailures), note: "not counted yet"))
        }
        if statistics.onlineMilliseconds > 0 {
            facts.append(
                fact(
                    "Nodes online", numbers.mark("onlineMs", Span.text(milliseconds: statistics.onlineMilliseconds)),
                    note: "in all"))
        }
        return Section(
            id: "overview", title: "Overview", lead: summary,
            body: "<dl class=\"facts\">\(facts)</dl>\(statistics.peers > 0 ? standing : .empty)")
    }

    private func fact(_ name: String, _ value: HTML, note: HTML = .empty, isLead: Bool = false) -> HTML {
        """
        <div\(isLead ? " class=\"lead-fact\"" as HTML : .empty)><dt>\(name)</dt><dd>\(value)<small>\(note)</small></dd></div>

        """
    }

    private func share(_ count: Int) -> HTML {
        statistics.peers > 0 ? "\(Terminal.page.percent(count, of: statistics.peers)) of peers" : .empty
    }

    private var summary: HTML {
        guard statistics.peers > 0 else {
            return statistics.candidates > 0
                ? "No peers yet, but addresses whose peer ids are not known." : "This store has no peers yet."
        }
        return """
            \(Terminal.page.count(statistics.peers, "peer")) remembered; \
            \(Terminal.page.percent(statistics.answered, of: statistics.peers)) answered when they were last asked.
            """
    }

    private var standing: HTML {
        let parts: [(name: String, count: Int, shape: String)] = [
            ("answered", statistics.answered, "c-fresh"), ("never asked", statistics.unverified, "c-unverified"),
            ("failing", statistics.failing, "p-failing"),
        ]
        var before = 0
        var body = HTML.empty
        let whole = Double(max(1, statistics.peers))
        for part in parts where part.count > 0 {
            body += """
                <rect class="\(part.shape)" x="\(Double(before) / whole * 100)%" y="1" \
                width="\(Double(part.count) / whole * 100)%" height="18"><title>\(part.name): \
                \(Terminal.page.count(part.count))</title></rect>
                """
            before += part.count
        }
        return Figure(
            id: "standing", title: "Peers by what their last dial came to",
            description: parts.map { "\($0.name) \($0.count)" }.joined(separator: ", "),
            drawing: Drawing(strip: body),
            legend: """
                <ul class="legend">\(parts.map { part -> HTML in
                    """
                    <li><svg aria-hidden="true" focusable="false" viewBox="0 0 12 12"><rect class="\(part.shape)" x="1" \
                    y="1" width="10" height="10"/></svg>\(part.name)</li>
                    """
                })</ul>
                """,
            data: DataTable(
                caption: "Peers by standing", columns: ["Standing", "peers", "share"],
                rows: parts.map {
                    [
                        "\($0.name)", "\(Terminal.page.count($0.count))",
                        "\(Terminal.page.percent($0.count, of: statistics.peers))",
                    ]
                })
        ).html
    }
}
