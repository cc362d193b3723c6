import KadStore

/// What a salvage did, for people and for programs.
enum SalvageView {
    static func tell(_ report: SalvageReport) {
        let terminal = Terminal.standardError
        let path = terminal.safe(report.path)
        tell(report.log)
        guard report.outcome != .sound else {
            Messages.line(
                "\(terminal.paint("Sound", .green)): nothing is wrong with \(path). It was left as it is.")
            if report.isOlder {
                Messages.note("it has schema \(report.schema), an older one: 'kadstore migrate' upgrades it.")
            }
            return
        }
        if let problem = report.problem { Messages.line("\(path): \(terminal.safe(problem)).") }
        if report.isOlder {
            Messages.note("it has schema \(report.schema), an older one: what is saved gets the current one.")
        }
        for table in report.tables { Messages.line(line(table, terminal)) }
        if report.damagedPages > 0 {
            Messages.note("\(terminal.count(report.damagedPages, "page")) of tables and indexes cannot be read.")
        }
        if report.fromOrphans > 0 {
            Messages.note(
                "\(terminal.count(report.fromOrphans, "row")) stood in \(terminal.count(report.orphanPages, "page")) that no "
                    + "table led to."
                    + (report.isFreeListIntact
                        ? "" : " Some may have been deleted before: the list of free pages is damaged."))
        }
        if report.isNetworkInferred, let network = report.network, let scope = report.scope {
            Messages.note(
                "the description of the network is lost: taken for '\(network.name)', \(scope.rawValue) scope, with a new "
                    + "secret.")
        }
        tellEnd(report, terminal)
    }

    private static func tellEnd(_ report: SalvageReport, _ terminal: Terminal) {
        let expected = report.expectedPeers.map { " of \(terminal.count($0))" } ?? ""
        let rows =
            "\(terminal.count(report.peers))\(expected) peers, \(terminal.count(report.saved, "row")) in all; "
            + "\(terminal.count(report.lost, "row")) lost"
        guard let output = report.output else {
            Messages.line("Could be saved: \(rows). The database is as it was.")
            return
        }
        Messages.line("Saved into \(terminal.safe(output)): \(rows).")
        for name in report.kept { Messages.line("What was there is kept as \(terminal.safe(name)).") }
    }

    private static func tell(_ log: LogState) {
        switch log.kind {
        case .none, .whole: break
        case .missing: Messages.note("the log is missing: what was committed last may be lost.")
        case .unreadable: Messages.note("the log cannot be read: what was committed last may be lost.")
        case .cut:
            Messages.note(
                "the last \(log.framesIgnored) pages in the log are of commits that were not finished, or are damaged.")
        case .broken:
            Messages.note(
                "a page of the log is damaged; \(log.framesBehind) pages of finished commits stand behind it, of "
                    + "\(log.framesIgnored) that were passed over.")
        case .stale: Messages.note("the log is of another life of the file: nothing in it was used.")
        }
    }

    private static func line(_ table: SalvageReport.Table, _ terminal: Terminal) -> String {
        var text = "  \(table.name.isEmpty ? "of no table" : table.name): \(terminal.count(table.saved)) saved"
        for reason in LostRow.Reason.allCases {
            if let count = table.lost[reason], count > 0 { text += ", \(terminal.count(count)) \(words(reason))" }
        }
        return text
    }

    private static func words(_ reason: LostRow.Reason) -> String {
        switch reason {
        case .unreadable: "unreadable"
        case .cut: "incomplete"
        case .shape: "of another shape"
        case .seal: "changed since they were written"
        case .implausible: "that say what cannot be"
        case .unattributable: "that nothing tells the table of"
        case .dependent: "whose peer or identity is lost"
        case .excess: "more than are kept"
        case .displaced: "gone under copies of others"
        case .missing: "known of and found nowhere"
        }
    }

    static func json(_ report: SalvageReport) -> JSON {
        .object([
            "version": JSON.formatVersion, "path": .string(report.path), "outcome": .string(report.outcome.rawValue),
            "output": .optional(report.output), "kept": .strings(report.kept), "problem": .optional(report.problem),
            "schema": .int(report.schema), "network": .optional(report.network?.name),
            "scope": .optional(report.scope?.rawValue),
            "isNetworkInferred": .bool(report.isNetworkInferred), "isSaltNew": .bool(report.isSaltNew),
            "peers": .int(report.peers), "expectedPeers": .optional(report.expectedPeers.map(Int64.init)),
            "pages": .int(report.pages), "damagedPages": .int(report.damagedPages),
            "orphanPages": .int(report.orphanPages), "isFreeListIntact": .bool(report.isFreeListIntact),
            "log": .object([
                "state": .string(report.log.kind.rawValue), "frames": .int(report.log.frames),
                "framesIgnored": .int(report.log.framesIgnored), "framesBehind": .int(report.log.framesBehind),
            ]), "saved": .int(report.saved), "lost": .int(report.lost), "tables": .array(report.tables.map(json)),
        ])
    }

    private static func json(_ table: SalvageReport.Table) -> JSON {
        let lost = LostRow.Reason.allCases.compactMap { reason in
            table.lost[reason].map { JSON.object(["reason": .string(reason.rawValue), "rows": .int($0)]) }
        }
        return .object([
            "table": .string(table.name), "found": .int(table.found), "saved": .int(table.saved),
            "superseded": .int(table.superseded), "fromOrphans": .int(table.fromOrphans), "lost": .array(lost),
        ])
    }
}
