import KadExchange
import KadStore

/// What became of an imported file, for people and as JSON.
struct ImportReportView {
    let report: ImportReport
    let scope: Scope
    /// Whether the records went into a store, rather than into another file.
    var isIntoStore = true

    func lines(_ terminal: Terminal) -> [String] {
        let name = terminal.paint(terminal.safe(report.name), .bold)
        let taken = isIntoStore ? "" : ", \(terminal.count(report.taken)) taken"
        var lines = ["\(name) (\(report.format.name)): \(terminal.count(report.records, "record"))\(taken)"]
        let verb = report.isDryRun ? "would be " : ""
        if isIntoStore, report.summary.peers.total > 0 || report.summary.candidates.total == 0 {
            lines.append("  peers: " + counts(report.summary.peers, verb, terminal))
        }
        if report.summary.candidates.total > 0 {
            lines.append("  addresses without a peer id: " + counts(report.summary.candidates, verb, terminal))
        }
        if report.filtered > 0 {
            lines.append("  \(terminal.count(report.filtered, "record")) left out by the conditions")
        }
        lines += omissions(terminal).map { "  " + $0 }
        lines += rejections(terminal)
        if let fault = report.fault { lines.append("  \(terminal.paint("reading ended early", .red)): \(fault)") }
        lines += notes(terminal)
        return lines
    }

    private func counts(_ counts: BulkSummary.Counts, _ verb: String, _ terminal: Terminal) -> String {
        "\(terminal.count(counts.added)) \(verb)added, \(terminal.count(counts.updated)) \(verb)updated, "
            + "\(terminal.count(counts.unchanged)) known"
    }

    private func omissions(_ terminal: Terminal) -> [String] {
        var lines: [String] = []
        if report.unroutableAddresses > 0 {
            lines.append(
                "\(terminal.count(report.unroutableAddresses, "address", "addresses")) left out: not of "
                    + "\(scope.rawValue) scope"
            )
        }
        if report.surplusAddresses > 0 {
            lines.append(
                "\(terminal.count(report.surplusAddresses, "address", "addresses")) left out: more than "
                    + "\(AddressRecord.maximumPerPeer) of one peer")
        }
        if report.summary.damagedPeers > 0 {
            lines.append(
                "\(terminal.count(report.summary.damagedPeers, "peer")) left out: their rows in the store are damaged "
                    + "('kadstore check' names them)")
        }
        if report.ownRecords > 0 {
            lines.append(
                "\(terminal.count(report.ownRecords, "record")) left out: our own identity or the file's writer")
        }
        if report.impossibleStamps > 0 {
            lines.append("\(terminal.count(report.impossibleStamps, "impossible time")) left out")
        }
        return lines
    }

    private func rejections(_ terminal: Terminal) -> [String] {
        guard report.rejectedCount > 0 else { return [] }
        var lines = [terminal.paint("  \(terminal.count(report.rejectedCount)) rejected:", .yellow)]
        for (kind, count) in report.rejected.sorted(by: { $0.key < $1.key }) {
            lines.append("    \(kind.rawValue): \(terminal.count(count))")
        }
        for rejection in report.rejections {
            let excerpt = rejection.excerpt.map { " | \(terminal.safe($0))" } ?? ""
            lines.append("    \(rejection.place): \(terminal.safe(rejection.reason.description))\(excerpt)")
        }
        let more = report.rejectedCount - report.rejections.count
        if more > 0 { lines.append("    and \(terminal.count(more)) more") }
        if report.taken == 0, scope == .public, report.rejected[.unroutable] != nil {
            lines.append(
                "  Its addresses are private or of documentation ranges: they belong into a store of private scope "
                    + "(another --db, and --scope private).")
        }
        return lines
    }

    private func notes(_ terminal: Terminal) -> [String] {
        let texts = report.notes.map { note, count in
            switch note {
            case .unknownFailure(let name):
                "\(terminal.count(count, "failure")) of the unknown kind '\(terminal.safe(name))' left out"
            case .notDialled(let name): "\(terminal.count(count, "peer")) not dialled: \(terminal.safe(name))"
            case .unreadableAddress: "\(terminal.count(count, "address", "addresses")) left out: cannot be read"
            case .inboundAddress:
                "\(terminal.count(count, "address", "addresses")) left out: of inbound connections, nobody listens there"
            case .restoreOnly(let name):
                "\(terminal.count(count, "record")) of kind \(terminal.safe(name)): taken by --restore only"
            case .verified: "checksum and counts are right"
            }
        }
        return texts.sorted().map { terminal.paint("  \($0)", .dim) }
    }
}

extension ImportReportView {
    var json: JSON {
        let rejected = report.rejected.sorted { $0.key < $1.key }.map { ($0.key.rawValue, JSON.int($0.value)) }
        let changed: [(String, JSON)] = [
            ("peers", json(report.summary.peers)), ("candidates", json(report.summary.candidates)),
        ]
        let damaged = [("damagedPeers", JSON.int(report.summary.damagedPeers))]
        var members: [(String, JSON)] = [
            ("name", .string(report.name)), ("format", .string(report.format.name)), ("records", .int(report.records)),
        ]
        members += isIntoStore ? changed : [("taken", .int(report.taken))]
        members += [
            ("filtered", .int(report.filtered)), ("rejected", .members(rejected)),
            ("rejections", .array(report.rejections.map(Self.json))),
            ("unroutableAddresses", .int(report.unroutableAddresses)),
            ("surplusAddresses", .int(report.surplusAddresses)),
        ]
        members += isIntoStore ? damaged : []
        members += [
            ("ownRecords", .int(report.ownRecords)), ("impossibleStamps", .int(report.impossibleStamps)),
            ("fault", .optional(report.fault?.description)),
        ]
        return .members(members)
    }

    private func json(_ counts: BulkSummary.Counts) -> JSON {
        .object([
            "added": .int(counts.added), "updated": .int(counts.updated), "unchanged": .int(counts.unchanged),
        ])
    }

    /// The shape of a rejection, for the help of the commands that print it.
    static let rejectionShape = """
        rejection = {line? (in a text), offset? (in other files), row? (in tables), kind: text, reason: text, excerpt: \
        text or null}
        """

    static func json(_ rejection: Rejection) -> JSON {
        let place: (String, JSON) =
            switch rejection.place {
            case .line(let number): ("line", .int(number))
            case .offset(let offset): ("offset", .int(offset))
            case .row(let number): ("row", .int(number))
            }
        return .members([
            place, ("kind", .string(rejection.reason.kind.rawValue)),
            ("reason", .string(rejection.reason.description)), ("excerpt", .optional(rejection.excerpt)),
        ])
    }
}
