import KadStore
import Kademlia

extension TablePicture {
    func lines(_ terminal: Terminal, now: Instant) -> [String] {
        guard !buckets.isEmpty else { return title(terminal) + ["no buckets"] }
        return title(terminal) + [""] + rows(terminal, now: now) + [""] + legend(terminal)
    }

    /// The buckets alone: a heading, and a line each.
    func rows(_ terminal: Terminal, now: Instant) -> [String] {
        var table = TextTable(columns, terminal: terminal)
        let rows = buckets.map { row($0, terminal, now) }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    private func title(_ terminal: Terminal) -> [String] {
        let contacts = terminal.count(buckets.reduce(0) { $0 + $1.counts.total }, "contact")
        let counts = "\(contacts) in \(terminal.count(buckets.count, "bucket")) of \(k)"
        guard let identity else {
            let known = terminal.count(buckets.reduce(0) { $0 + ($1.known ?? 0) }, "peer")
            return [
                terminal.paint("Around \(key.hex(byteCount: network.keyByteCount))", .bold),
                "\(known); a table would hold \(counts)",
            ]
        }
        let label = identity.label.isEmpty ? "" : " \"\(terminal.safe(identity.label))\""
        return [
            terminal.paint("Identity \(identity.number)\(label)", .bold), network.idEncoding.encode(identity.peer.id),
            counts,
        ]
    }

    private var columns: [TextTable.Column] {
        var columns: [TextTable.Column] = [
            .init(title: "BITS", alignment: .right), .init(title: "CONTACTS"), .init(title: "FILL", alignment: .right),
        ]
        if identity == nil {
            columns.append(.init(title: "KNOWN", alignment: .right))
        } else {
            columns.append(.init(title: "WAITING", alignment: .right, isOptional: true))
        }
        columns.append(.init(title: "SEEN", alignment: .right, isOptional: true))
        if identity != nil { columns.append(.init(title: "REFRESHED", alignment: .right, isOptional: true)) }
        return columns
    }

    private func row(_ bucket: Bucket, _ terminal: Terminal, _ now: Instant) -> [TextTable.Cell] {
        func when(_ instant: Instant?) -> String { instant.map { Span.text($0, from: now) } ?? "-" }
        var row: [TextTable.Cell] = [
            .init(bucket.isLast ? terminal.symbol("≥", ">=") + "\(bucket.index)" : "\(bucket.index)"),
            contacts(bucket, terminal), .init("\(bucket.counts.total)/\(k)"),
        ]
        if identity == nil {
            row.append(.init(terminal.count(bucket.known ?? 0)))
        } else {
            row.append(.init(terminal.count(bucket.replacements ?? 0)))
        }
        row.append(.init(when(bucket.newest)))
        if identity != nil { row.append(.init(when(bucket.refreshedAt))) }
        return row
    }

    private func contacts(_ bucket: Bucket, _ terminal: Terminal) -> TextTable.Cell {
        let drawn = Health.allCases.map {
            (text: String(repeating: $0.symbol(terminal), count: bucket.counts[$0]), ink: $0.ink)
        }
        let free = String(repeating: Self.free(terminal), count: max(0, k - bucket.counts.total))
        return TextTable.Cell(runs: drawn + [(free, .dim)])
    }

    /// What the symbols mean.
    func legend(_ terminal: Terminal) -> [String] {
        var entries = Health.allCases.map { (symbol: $0.symbol(terminal), text: $0.text, ink: $0.ink) }
        entries.append((Self.free(terminal), "free", .dim))
        var lines = [""]
        var used = 0
        for entry in entries {
            let width = DisplayWidth.of(entry.symbol) + 1 + DisplayWidth.of(entry.text)
            if used > 0, used + 3 + width > terminal.width ?? .max {
                lines.append("")
                used = 0
            }
            lines[lines.count - 1] +=
                (used > 0 ? "   " : "") + terminal.paint(entry.symbol, entry.ink) + " " + entry.text
            used += (used > 0 ? 3 : 0) + width
        }
        return lines
    }

    private static func free(_ terminal: Terminal) -> String { terminal.symbol("·", ".") }
}

extension TablePicture.Health {
    func symbol(_ terminal: Terminal) -> String {
        switch self {
        case .fresh: terminal.symbol("█", "#")
        case .answered: terminal.symbol("▓", "+")
        case .unverified: terminal.symbol("░", "-")
        case .failing: terminal.symbol("×", "x")
        }
    }

    var ink: Ink {
        switch self {
        case .fresh: .green
        case .answered: .cyan
        case .unverified: .plain
        case .failing: .red
        }
    }

    var text: String {
        switch self {
        case .fresh: "answered within a day"
        case .answered: "answered before"
        case .unverified: "never asked"
        case .failing: "failing"
        }
    }
}

extension TablePicture {
    /// The shape of ``json``, for the help of the commands that print it.
    static let jsonShape = """
        table = {identity: {number, id: text, label: text} or null, key: text, k, buckets: [{index, isLast, known or \
        null, fresh, answered, unverified, failing, replacements or null, refreshedAtMs or null, newestSeenMs or \
        null}]} (a bucket's four states count its contacts)
        """

    var json: JSON {
        .object([
            "identity": identity.map { identity in
                .object([
                    "number": .int(identity.number), "id": .string(network.idEncoding.encode(identity.peer.id)),
                    "label": .string(identity.label),
                ])
            } ?? .null,
            "key": .string(key.hex(byteCount: network.keyByteCount)), "k": .int(k),
            "buckets": .array(
                buckets.map { bucket in
                    .object([
                        "index": .int(bucket.index), "isLast": .bool(bucket.isLast),
                        "known": .optional(bucket.known.map(Int64.init)), "fresh": .int(bucket.counts[.fresh]),
                        "answered": .int(bucket.counts[.answered]), "unverified": .int(bucket.counts[.unverified]),
                        "failing": .int(bucket.counts[.failing]),
                        "replacements": .optional(bucket.replacements.map(Int64.init)),
                        "refreshedAtMs": .optional(bucket.refreshedAt?.milliseconds),
                        "newestSeenMs": .optional(bucket.newest?.milliseconds),
                    ])
                }),
        ])
    }
}
