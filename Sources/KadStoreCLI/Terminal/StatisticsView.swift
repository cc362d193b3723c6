import KadStore
import Kademlia

/// The statistics of a store, for people.
struct StatisticsView {
    let terminal: Terminal
    let now: Instant

    private static let barWidth = 24

    func lines(_ statistics: Statistics, _ store: Store) -> [String] {
        var lines = [
            terminal.paint(terminal.safe(store.path), .bold),
            "network \(store.network.name), \(store.scope.rawValue) scope, created \(date(store.createdAt))", "",
        ]
        lines += peers(statistics)
        lines += [
            field("addresses", addresses(statistics)),
            field("candidates", "\(terminal.count(statistics.candidates)) addresses without a peer id"),
        ]
        if statistics.tombstones > 0 { lines.append(field("tombstones", terminal.count(statistics.tombstones))) }
        if statistics.identities > 0 {
            lines.append(
                field(
                    "identities",
                    "\(terminal.count(statistics.identities)) with \(terminal.count(statistics.contacts, "contact")), "
                        + "\(terminal.count(statistics.replacements)) waiting"))
        }
        lines += kept(statistics.holdings)
        if let crawl = statistics.crawls.first { lines.append(field("crawl", text(crawl))) }
        if let first = statistics.firstSeen { lines.append(field("first seen", date(first))) }
        if let last = statistics.lastSeen { lines.append(field("last seen", date(last))) }
        if let answer = statistics.lastOK { lines.append(field("last answer", date(answer))) }
        if let rtt = statistics.rtt { lines.append(field("round trip", text(rtt))) }
        if statistics.onlineMilliseconds > 0 {
            lines.append(field("node online", "\(Span.text(milliseconds: statistics.onlineMilliseconds)) in all"))
        }
        lines.append(field("file", file(statistics)))
        lines += lookups(statistics.lookups)
        lines += list("Failures", statistics.failures)
        lines += list("Sources", statistics.sources)
        lines += list("Agents", statistics.agents)
        lines += list("Protocol sets", statistics.protocols)
        return lines
    }

    private func peers(_ statistics: Statistics) -> [String] {
        func share(_ name: String, _ count: Int, _ ink: Ink) -> String {
            let bar = bar(count, of: statistics.peers, ink)
            return field(
                "  \(name)",
                "\(right(terminal.count(count), width)) \(bar) \(terminal.percent(count, of: statistics.peers))")
        }
        let width = DisplayWidth.of(terminal.count(statistics.peers))
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - DisplayWidth.of(text))) + text
        }
        var lines = [field("peers", terminal.paint(terminal.count(statistics.peers), .bold))]
        guard statistics.peers > 0 else { return lines }
        lines += [
            share("answered", statistics.answered, .green), share("unverified", statistics.unverified, .plain),
            share("failing", statistics.failing, .red),
        ]
        if statistics.backedOff > 0 { lines.append(share("backed off", statistics.backedOff, .yellow)) }
        if statistics.openBreakers > 0 {
            lines.append(field("breakers", "\(terminal.count(statistics.openBreakers)) not closed"))
        }
        if statistics.heldFailures > 0 {
            lines.append(field("held back", terminal.count(statistics.heldFailures, "failure") + " not yet counted"))
        }
        return lines
    }

    /// What is kept for the network, and what was published here.
    private func kept(_ holdings: Holdings) -> [String] {
        func line(_ name: String, _ others: Holdings.Amount, _ own: Holdings.Amount) -> [String] {
            let sum = others + own
            guard sum.count > 0 else { return [] }
            var text = "\(terminal.count(Int(clamping: sum.count))), \(terminal.bytes(sum.bytes))"
            if own.count > 0 { text += "; \(terminal.count(Int(clamping: own.count))) published here" }
            return [field(name, text)]
        }
        return line("values", holdings.values, holdings.ownValues)
            + line("providers", holdings.providers, holdings.ownProviders)
    }

    private func text(_ crawl: Crawl) -> String {
        var text = "\(terminal.count(crawl.visited, "peer")) visited, \(terminal.count(crawl.answered)) answered; "
        switch crawl.state {
        case .running: text += "not ended, begun \(date(crawl.startedAt))"
        case .complete: text += "complete \(date(crawl.endedAt ?? crawl.startedAt))"
        case .stopped: text += "stopped \(date(crawl.endedAt ?? crawl.startedAt))"
        }
        return text
    }

    private func addresses(_ statistics: Statistics) -> String {
        var text = terminal.count(statistics.addresses)
        if statistics.peersWithoutAddress > 0 {
            text += "; \(terminal.count(statistics.peersWithoutAddress, "peer")) without any"
        }
        return text
    }

    private func text(_ rtt: Statistics.RTT) -> String {
        "\(terminal.microseconds(rtt.p50)) median, 10 % below \(terminal.microseconds(rtt.p10)), 90 % below "
            + "\(terminal.microseconds(rtt.p90)) (\(terminal.count(rtt.count, "peer")))"
    }

    private func file(_ statistics: Statistics) -> String {
        var text = terminal.bytes(statistics.fileBytes)
        if let perPeer = statistics.bytesPerPeer, statistics.peers >= 1_000 {
            text += ", \(FixedPoint.text(perPeer, digits: 0)) bytes a peer"
        }
        if statistics.logBytes > 0 { text += ", log \(terminal.bytes(statistics.logBytes))" }
        return text + ", schema \(statistics.schema)"
    }

    private func lookups(_ lookups: LookupHistory) -> [String] {
        guard lookups.count > 0 else { return [] }
        let ends = lookups.totals.map { "\(terminal.count($0.lookups)) \($0.reason.name)" }
        var lines = [
            "", terminal.paint("Lookups", .bold),
            field("  finished", "\(terminal.count(lookups.count)) (\(ends.joined(separator: ", ")))"),
            field(
                "  queries",
                "\(terminal.count(lookups.total(\.queries))), \(terminal.count(lookups.total(\.timeouts))) timed out, "
                    + "\(terminal.count(lookups.total(\.skipped))) peers spared"),
        ]
        let recent = "last \(terminal.count(lookups.recent.count))"
        func spread(_ name: String, _ text: (Int64) -> String, _ cost: (LookupSummary) -> Int64) {
            guard let spread = lookups.spread(cost) else { return }
            let quantiles = "\(text(spread.p50)) median, 90 % below \(text(spread.p90)), 99 % below \(text(spread.p99))"
            lines.append(field("  \(name)", "\(quantiles) (\(recent))"))
        }
        spread("duration", { terminal.microseconds($0.multipliedSaturated(by: 1_000)) }, \.milliseconds)
        spread("each asked", { terminal.count($0) }, { Int64($0.queries) })
        spread("hops", { terminal.count($0) }, { Int64($0.hops) })
        return lines
    }

    private func list(_ title: String, _ entries: [Statistics.Named]) -> [String] {
        guard let most = entries.first?.count, most > 0 else { return [] }
        var table = TextTable(
            [.init(title: "", alignment: .right), .init(title: ""), .init(title: "", minimum: 16)],
            terminal: terminal.narrowed(by: 2))
        let rows = entries.map { entry -> [TextTable.Cell] in
            let length = max(1, Self.length(entry.count, of: most, width: Self.barWidth / 2))
            return [
                .init(terminal.count(entry.count)), .init(String(repeating: block, count: length), .cyan),
                .init(terminal.safe(entry.name)),
            ]
        }
        table.layOut(rows)
        return ["", terminal.paint(title, .bold)] + rows.map { "  " + table.line($0) }
    }

    private var block: String { terminal.symbol("█", "#") }

    /// A part of a bar, 0 to `width` whatever numbers a damaged file holds.
    private static func length(_ part: Int, of whole: Int, width: Int) -> Int {
        let share = min(max(0, Double(part) / Double(max(1, whole))), 1)
        return Int((share * Double(width)).rounded())
    }

    private func bar(_ part: Int, of whole: Int, _ ink: Ink) -> String {
        let filled = Self.length(part, of: whole, width: Self.barWidth)
        return terminal.paint(String(repeating: block, count: filled), ink)
            + terminal.paint(String(repeating: terminal.symbol("·", "."), count: Self.barWidth - filled), .dim)
    }

    private func date(_ instant: Instant) -> String { "\(UTC.text(instant)) (\(Span.text(instant, from: now)))" }

    private func field(_ name: String, _ value: String) -> String {
        terminal.paint(name, .dim) + String(repeating: " ", count: max(1, 14 - name.utf8.count)) + value
    }
}
