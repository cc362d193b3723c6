import KadStore
import Kademlia
import Multiformats

extension PeerView {
    /// Everything that is remembered of one peer, line by line.
    func detail(_ record: PeerRecord) -> [String] {
        var lines = [terminal.paint(id(record.id), .bold)]
        lines += fields(record)
        lines += addressLines(record)
        lines += failureLines(record)
        lines += backoffLines(record)
        return lines
    }

    private func fields(_ record: PeerRecord) -> [String] {
        var fields: [(String, String)] = [
            ("key", key(record.key)),
            ("standing", terminal.paint(record.standing.rawValue, ink(record.standing))),
            ("first seen", date(record.firstSeen)),
            ("last seen", date(record.lastSeen)),
            ("last answer", date(record.lastOK)),
            ("answers", terminal.count(record.successes)),
            ("days seen", days(record.daysSeen)),
        ]
        if let rtt = record.rtt {
            let sign = terminal.symbol("±", "+-")
            fields.append(
                ("round trip", "\(terminal.microseconds(rtt.smoothed)) \(sign) \(terminal.microseconds(rtt.variation))")
            )
        }
        if let agent = record.agent { fields.append(("agent", terminal.safe(agent))) }
        if let source = record.source { fields.append(("heard from", terminal.safe(source))) }
        for (index, name) in record.protocols.enumerated() {
            fields.append((index == 0 ? "protocols" : "", terminal.safe(name)))
        }
        return fields.map(field)
    }

    private func field(_ name: String, _ value: String) -> String {
        "  " + terminal.paint(name, .dim) + String(repeating: " ", count: max(1, 13 - name.utf8.count)) + value
    }

    /// The last 32 days, today's end on the right.
    private func days(_ bits: UInt32) -> String {
        let marks = (0..<32).reversed().map {
            bits >> UInt32($0) & 1 == 1 ? terminal.symbol("█", "#") : terminal.symbol("·", ".")
        }
        return "\(marks.joined()) \(bits.nonzeroBitCount) of the 32 to the last one"
    }

    private func addressLines(_ record: PeerRecord) -> [String] {
        guard !record.addresses.isEmpty else { return ["", title("No addresses")] }
        var lines = [
            "", title("\(terminal.count(record.addresses.count, "address", "addresses")), in the order to dial"),
        ]
        for address in record.addresses {
            lines.append("  " + terminal.safe(address.address.description))
            let answer = address.lastOK.map { "answered \(when($0))" } ?? "never answered"
            var history = [answer, "seen \(when(address.lastSeen))"]
            history.append("first \(when(address.firstSeen))")
            if address.failures > 0 {
                history.append(terminal.count(address.failures, "failure") + " since")
            }
            if let source = address.source { history.append("from \(terminal.safe(source))") }
            lines.append("    " + terminal.paint(history.joined(separator: ", "), .dim))
        }
        return lines
    }

    private func failureLines(_ record: PeerRecord) -> [String] {
        guard !record.failures.isEmpty else { return [] }
        var lines = ["", title(terminal.count(record.failureCount, "failure"))]
        var table = TextTable(
            [
                .init(title: "CLASS"), .init(title: "TIMES", alignment: .right),
                .init(title: "LAST", alignment: .right),
                .init(title: "FIRST", alignment: .right), .init(title: "AT", minimum: 16),
            ], terminal: terminal.narrowed(by: 2))
        let rows = record.failures.map { failure -> [TextTable.Cell] in
            [
                .init(failure.failureClass.name, .red), .init(terminal.count(failure.count)),
                .init(when(failure.lastAt)), .init(when(failure.firstAt)),
                .init(failure.address.map { terminal.safe($0.description) } ?? "the peer as a whole"),
            ]
        }
        table.layOut(rows)
        lines.append("  " + table.header)
        lines += rows.map { "  " + table.line($0) }
        return lines
    }

    private func backoffLines(_ record: PeerRecord) -> [String] {
        guard let backoff = record.backoff else { return [] }
        let remaining = backoff.remaining(at: now)
        let wait = Span.text(milliseconds: backoff.waitMilliseconds)
        let deadline = remaining > 0 ? "for \(Span.text(milliseconds: remaining)), of \(wait)" : "over"
        var lines = ["", title("Backoff")]
        lines.append(field("waiting", terminal.paint(deadline, remaining > 0 ? .yellow : .plain)))
        lines.append(
            field(
                "streak",
                "\(FixedPoint.text(Double(backoff.streakMilli) / 1_000, digits: 1)) failures, the last of class "
                    + "\(backoff.lastClass.name), \(when(backoff.streakAt))"))
        lines.append(field("breaker", breaker(backoff)))
        if backoff.outcomeCount > 0 {
            let outcomes = backoff.outcomeText(
                success: terminal.symbol("●", "+"), failure: terminal.symbol("○", "-"))
            lines.append(
                field("outcomes", "\(outcomes) (the latest on the right; \(terminal.symbol("●", "+")) answered)"))
        }
        return lines
    }

    private func breaker(_ backoff: BackoffState) -> String {
        var text = terminal.paint(backoff.breaker.name, backoff.breaker == .closed ? .green : .red)
        if backoff.openings > 0 { text += ", opened \(terminal.count(backoff.openings, "time"))" }
        if let openedAt = backoff.openedAt { text += ", last \(when(openedAt))" }
        if backoff.breaker == .halfOpen { text += ", \(terminal.count(backoff.trials, "trial")) answered" }
        return text
    }

    private func title(_ text: String) -> String { terminal.paint(text, .bold) }
}

extension Terminal {
    /// The same with less room: for what stands indented.
    func narrowed(by columns: Int) -> Terminal {
        var narrower = self
        narrower.width = width.map { max(1, $0 - columns) }
        return narrower
    }
}
