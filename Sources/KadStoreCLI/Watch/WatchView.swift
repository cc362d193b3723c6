import KadStore
import Kademlia

/// A watch as a screen of any size, and as a line.
struct WatchView {
    var terminal: Terminal
    let path: String
    let now: Instant
    let intervalMilliseconds: Int64

    /// What the screen shows beside what was seen.
    struct Mode: Equatable {
        var isPaused = false
        var showsHelp = false
        /// Which identity's table.
        var identity = 0
        /// How many of its buckets are passed over.
        var scroll = 0
    }

    private static let labelWidth = 11
    private static let sparkWidth = 30
    /// What 'lately' means for lookups.
    private static let recentMilliseconds: Int64 = 60_000

    /// Exactly as many lines as fit, each as wide as the terminal or less.
    func frame(_ model: WatchModel, _ store: WatchedStore, _ mode: Mode, _ size: WatchScreen.Size) -> [String] {
        var view = self
        view.terminal.width = size.columns
        let heading = view.heading(model, store, mode)
        let keys = view.keys(model, mode)
        let room = max(0, size.rows - heading.count - 1)
        let body = mode.showsHelp ? view.help : view.body(model, mode, rows: room)
        var lines = Array((heading + body).prefix(max(0, size.rows - 1)))
        while lines.count < size.rows - 1 { lines.append("") }
        return (lines + [keys]).map { terminal.clip($0, to: size.columns) }
    }

    // MARK: The parts

    private func heading(_ model: WatchModel, _ store: WatchedStore, _ mode: Mode) -> [String] {
        let network = model.look.map { "\(terminal.safe($0.network.name)), \($0.scope.rawValue)" }
        // The time of day: a screen shows what is now.
        let rest = [mode.isPaused ? "paused" : nil, network, String(UTC.text(now).suffix(9))].compactMap(\.self)
        let room = (terminal.width ?? .max) - rest.reduce(0) { $0 + 2 + DisplayWidth.of($1) }
        let name = terminal.shorten(terminal.safe(path), to: max(8, room), inMiddle: true)
        let title = terminal.paint(name, .bold) + "  " + rest.joined(separator: "  ")
        return [title] + conditions(store).map { terminal.paint(terminal.safe($0), .yellow) }
    }

    /// What has become of the file, where there is something to say.
    func conditions(_ store: WatchedStore) -> [String] {
        var lines: [String] = []
        switch store.condition {
        case .open: break
        case .missing: lines.append("The file is gone: waiting for it to come back.")
        case .unreadable(let reason): lines.append("Cannot be read now: \(reason)")
        }
        if let replaced = store.replacedAt {
            lines.append("Another file took its place, seen \(Span.text(replaced, from: now)): watched anew.")
        }
        return lines
    }

    private func keys(_ model: WatchModel, _ mode: Mode) -> String {
        var keys = ["q quit", mode.isPaused ? "p go on" : "p pause"]
        if (model.look?.tables.count ?? 0) > 1 { keys.append("tab next identity") }
        keys.append("? help")
        return terminal.paint(keys.joined(separator: "   "), .dim)
    }

    private var help: [String] {
        [
            "", "q, Ctrl-C          quit", "p, space           pause, go on",
            "tab, arrows        next or last identity", "up, down, j, k     other buckets",
            "?                  this help", "",
            "Answers and failures are those that were committed since the start.",
            "What concerns all peers is counted now and then.",
        ]
    }

    private func body(_ model: WatchModel, _ mode: Mode, rows: Int) -> [String] {
        guard model.look != nil else { return [] }
        let summary = summary(model)
        let picture = picture(model, mode)
        let recent = recent(model)
        let left = rows - summary.count
        // Each section needs its blank line, its title and something to show.
        guard left >= 4, !picture.isEmpty || !recent.isEmpty else { return summary }
        let wanted = (picture.count + 1, recent.isEmpty ? 0 : recent.count + 1)
        let pictureRows = min(wanted.0, wanted.1 == 0 ? left : max(left - wanted.1, left / 2))
        var lines = summary + [""] + scrolled(picture, mode.scroll, rows: pictureRows - 1)
        if left - pictureRows >= 3, !recent.isEmpty { lines += [""] + recent.prefix(left - pictureRows - 1) }
        return lines
    }

    /// A title that stays, and what fits below it from some line on.
    private func scrolled(_ lines: [String], _ offset: Int, rows: Int) -> [String] {
        let heading = min(2, lines.count)
        let rest = lines.dropFirst(heading)
        let first = min(offset, max(0, rest.count - max(1, rows - heading)))
        return Array(lines.prefix(heading)) + rest.dropFirst(first).prefix(max(0, rows - heading))
    }

    private func picture(_ model: WatchModel, _ mode: Mode) -> [String] {
        guard let tables = model.look?.tables, !tables.isEmpty else {
            return [terminal.paint("No node has kept its table here.", .dim)]
        }
        let picture = tables[min(max(0, mode.identity), tables.count - 1)]
        guard let identity = picture.identity else { return [] }
        let label = identity.label.isEmpty ? "" : " \"\(terminal.safe(identity.label))\""
        let contacts = terminal.count(picture.buckets.reduce(0) { $0 + $1.counts.total }, "contact")
        var title = terminal.paint("Identity \(identity.number)\(label)", .bold) + "  \(contacts)"
        if tables.count > 1 { title += "  (\(mode.identity + 1) of \(tables.count))" }
        guard !picture.buckets.isEmpty else { return [title, "no buckets"] }
        return [title] + picture.rows(terminal, now: now) + picture.legend(terminal)
    }

    private func recent(_ model: WatchModel) -> [String] {
        guard let network = model.look?.network, !model.recent.isEmpty else { return [] }
        var table = TextTable(
            [
                .init(title: "LATELY", alignment: .right), .init(title: ""),
                .init(title: "PEER", minimum: 14, cut: .middle), .init(title: "", isOptional: true),
            ], terminal: terminal)
        let rows = model.recent.map { change -> [TextTable.Cell] in
            let peer = change.id.map(network.idEncoding.encode) ?? change.key.hex(byteCount: network.keyByteCount)
            return [.init(Span.text(change.at, from: now), .dim)] + cells(change.outcome, terminal.safe(peer))
        }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    private func cells(_ outcome: Glance.Change.Outcome, _ peer: String) -> [TextTable.Cell] {
        switch outcome {
        case .answered(let rtt):
            [.init("answered", .green), .init(peer), .init(rtt.map { terminal.microseconds($0) } ?? "", .dim)]
        case .failed(let failureClass): [.init("failed", .red), .init(peer), .init(failureClass.name, .dim)]
        }
    }
}

// MARK: The numbers

extension WatchView {
    private func summary(_ model: WatchModel) -> [String] {
        guard let glance = model.look?.glance else { return [] }
        func spark(_ values: [Double], fromZero: Bool = true) -> String {
            let room = max(4, min(Self.sparkWidth, (terminal.width ?? 80) - 34))
            return terminal.paint(Sparkline.text(values, width: room, fromZero: fromZero, terminal), .cyan)
        }
        let grown = glance.peers - (model.peersAtStart ?? glance.peers)
        return [
            field(
                "peers", terminal.paint(terminal.count(glance.peers), .bold),
                spark(model.samples.map { Double($0.peers) }, fromZero: false),
                grown == 0 ? "" : (grown > 0 ? "+" : "") + terminal.count(grown)),
            field("standing", standing(model)),
            field(
                "answers", perSecond(model.samples.last?.answers), spark(model.samples.map(\.answers)),
                terminal.count(model.answerCount)),
            field(
                "failures", perSecond(model.samples.last?.failures), spark(model.samples.map(\.failures)),
                failures(model)),
            field("commits", commits(model, glance)),
            field("held back", terminal.count(glance.heldFailures, "failure") + breakers(model)),
            field("lookups", lookups(model, glance)),
            field("file", "\(terminal.bytes(glance.fileBytes)), log \(terminal.bytes(glance.logBytes))"),
        ]
    }

    private func field(_ name: String, _ parts: String...) -> String {
        terminal.paint(name, .dim) + String(repeating: " ", count: max(1, Self.labelWidth - name.utf8.count))
            + parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    private func perSecond(_ rate: Double?) -> String {
        let text = FixedPoint.text(rate ?? 0, digits: rate ?? 0 < 100 ? 1 : 0) + "/s"
        return String(repeating: " ", count: max(0, 7 - text.utf8.count)) + text
    }

    private func standing(_ model: WatchModel) -> String {
        guard let counts = model.counts else { return terminal.paint("being counted", .dim) }
        let statistics = counts.statistics
        return terminal.paint("\(terminal.count(statistics.answered)) answered", .green)
            + ", \(terminal.count(statistics.unverified)) unverified, "
            + terminal.paint("\(terminal.count(statistics.failing)) failing", .red)
            + terminal.paint(", counted \(Span.text(counts.at, from: now))", .dim)
    }

    private func failures(_ model: WatchModel) -> String {
        guard model.failureCount > 0 else { return "0" }
        let classes = model.failuresByClass.map { "\(terminal.count($0.count)) \($0.class.name)" }
        return "\(terminal.count(model.failureCount)): \(classes.joined(separator: ", "))"
    }

    private func commits(_ model: WatchModel, _ glance: Glance) -> String {
        var text = perSecond(model.rate(glance.commits)) + ", " + perSecond(model.rate(glance.pages)).trimmed + " pages"
        if let last = glance.lastCommit { text += ", the last \(Span.text(last, from: now))" }
        return glance.isComplete ? text : text + terminal.paint(" (not all looked at)", .dim)
    }

    private func breakers(_ model: WatchModel) -> String {
        guard let statistics = model.counts?.statistics else { return "" }
        return "; \(terminal.count(statistics.openBreakers, "breaker")) not closed, "
            + "\(terminal.count(statistics.backedOff)) backed off"
    }

    private func lookups(_ model: WatchModel, _ glance: Glance) -> String {
        let all = glance.lookups.count
        guard all > 0 else { return "none" }
        let since = all - (model.lookupsAtStart ?? all)
        var text = "\(terminal.count(all)), \(terminal.count(max(0, since))) since the start"
        let latest = model.lookups(within: Self.recentMilliseconds, now: now)
        guard !latest.isEmpty else { return text }
        let times = latest.map(\.milliseconds).sorted()
        text += ", \(terminal.count(latest.count)) in the last minute: median "
        return text + Span.text(milliseconds: times[(times.count - 1) / 2])
    }

    /// One look as a line, for a pipe or a log.
    func line(_ model: WatchModel, _ store: WatchedStore) -> String {
        let time = UTC.text(now)
        if store.condition != .open { return ([time] + conditions(store).map(terminal.safe)).joined(separator: " ") }
        guard let glance = model.look?.glance else { return time }
        var parts = [
            terminal.count(glance.peers, "peer"), terminal.count(glance.answers, "answer"),
            terminal.count(glance.failures, "failure"), terminal.count(glance.commits, "commit"),
            "\(terminal.count(glance.heldFailures)) held back", "log \(terminal.bytes(glance.logBytes))",
        ]
        if let counts = model.counts {
            parts.append(
                "\(terminal.count(counts.statistics.answered)) answered, \(terminal.count(counts.statistics.failing)) "
                    + "failing (counted \(Span.text(counts.at, from: now)))")
        }
        return ([time, parts.joined(separator: ", ")] + conditions(store).map(terminal.safe)).joined(separator: " ")
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
