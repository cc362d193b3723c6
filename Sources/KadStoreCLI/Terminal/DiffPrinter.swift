import KadExchange
import KadStore
import Kademlia
import Multiformats
import Synchronization

/// Prints differences as they are found, and what they come to.
final class DiffPrinter: Sendable {
    private struct State {
        var output: Output
        var count = 0
        /// What kept the output from being written; the rest is not printed.
        var failure: CommandError?
    }

    private let view: PeerView
    private let limit: Int
    private let isJSON: Bool
    private let state: Mutex<State>

    init(_ view: PeerView, limit: Int, isJSON: Bool) {
        self.view = view
        self.limit = limit
        self.isJSON = isJSON
        state = Mutex(State(output: Output(view.terminal)))
    }

    func begin() throws {
        guard isJSON else { return }
        try write { (output) throws(CommandError) in
            try output.write("{\"version\":\(JSON.formatVersion.text),\"differences\":[")
        }
    }

    /// Prints a difference, unless the limit is reached. A failure shows at ``end(_:onOutput:)``.
    func print(_ difference: Difference) {
        state.withLock { state in
            defer { state.count += 1 }
            guard state.count < limit, state.failure == nil else { return }
            do throws(CommandError) {
                if isJSON {
                    try state.output.write((state.count == 0 ? "\n" : ",\n") + json(difference).text)
                } else {
                    try state.output.line(line(difference))
                }
            } catch {
                state.failure = error
            }
        }
    }

    /// - Parameter onOutput: whether the counts are what was asked for; they are messages otherwise.
    func end(_ report: DiffReport, onOutput: Bool) throws {
        tellFaults(report)
        if isJSON {
            let isComplete = state.withLock { $0.count <= limit }
            try write { (output) throws(CommandError) in
                var members = JSON.members(summary(report, isComplete: isComplete)).text
                members.removeFirst()
                try output.line("\n],\(members)")
            }
        } else if onOutput {
            try write { (output) throws(CommandError) in
                for line in lines(report, view.terminal) { try output.line(line) }
            }
        }
        try flush()
        if !isJSON, !onOutput { for line in lines(report, .standardError) { Messages.note(line) } }
    }

    func flush() throws { try write { (output) throws(CommandError) in try output.flush() } }

    private func write(_ body: (inout Output) throws(CommandError) -> Void) throws {
        let failure: CommandError? = state.withLock { state in
            if let failure = state.failure { return failure }
            do throws(CommandError) {
                try body(&state.output)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// What of a side could not be compared.
    private func tellFaults(_ report: DiffReport) {
        let terminal = Terminal.standardError
        for side in [report.first, report.second] where !side.isComplete {
            let name = terminal.safe(side.name)
            if side.unread > 0 {
                Messages.line("\(name): \(terminal.count(side.unread, "record")) could not be read:")
            }
            for rejection in side.rejections {
                let excerpt = rejection.excerpt.map { " | \(terminal.safe($0))" } ?? ""
                Messages.line("  \(rejection.place): \(terminal.safe(rejection.reason.description))\(excerpt)")
            }
            let more = side.unread - side.rejections.count
            if more > 0 { Messages.line("  \(terminal.count(more)) damaged or there twice") }
            if let fault = side.fault { Messages.line("\(name): reading ended early: \(fault)") }
        }
    }
}

// MARK: - Text

extension DiffPrinter {
    private func line(_ difference: Difference) -> String {
        let terminal = view.terminal
        switch difference {
        case .onlyInFirst(let record): return terminal.paint("- \(text(record))", .red)
        case .onlyInSecond(let record): return terminal.paint("+ \(text(record))", .green)
        case .changed(let first, let second, let fields):
            let names = fields.names.map { name in
                guard name == "addresses" else { return name }
                let changes = addressChanges(first, second)
                return "addresses +\(changes.added.count) -\(changes.removed.count)"
            }
            return "~ \(view.id(first.id))  \(names.joined(separator: ", "))"
        case .candidateOnlyInFirst(let candidate): return terminal.paint("- \(text(candidate))", .red)
        case .candidateOnlyInSecond(let candidate): return terminal.paint("+ \(text(candidate))", .green)
        case .candidateChanged(let first, _): return "~ \(text(first))  candidate-history"
        }
    }

    private func text(_ record: PeerRecord) -> String {
        "\(view.id(record.id))  \(view.addresses(record.addresses.lazy.map(\.address)))"
    }

    private func text(_ candidate: Candidate) -> String { view.terminal.safe(candidate.address.description) }

    private func addressChanges(_ first: PeerRecord, _ second: PeerRecord) -> (added: [String], removed: [String]) {
        let left = Set(first.addresses.map(\.address))
        let right = Set(second.addresses.map(\.address))
        return (
            right.subtracting(left).sorted().map(\.description), left.subtracting(right).sorted().map(\.description)
        )
    }

    private func lines(_ report: DiffReport, _ terminal: Terminal) -> [String] {
        func counts(_ counts: DiffReport.Counts) -> String {
            "\(terminal.count(counts.onlyInFirst)) only in A, \(terminal.count(counts.onlyInSecond)) only in B, "
                + "\(terminal.count(counts.changed)) changed, \(terminal.count(counts.same)) the same"
        }
        var lines = zip(["A", "B"], [report.first, report.second]).map { letter, side in
            "\(letter): \(terminal.safe(side.name)) (\(side.format?.name ?? "database")): "
                + terminal.count(side.peers, "peer")
        }
        lines.append("compared: \((["ids"] + report.compared.names).joined(separator: ", "))")
        lines.append("peers: \(counts(report.peers))")
        for (name, field) in PeerFields.names {
            if let count = report.changes[field] { lines.append("  \(name): \(terminal.count(count))") }
        }
        if report.compared.contains(.candidates) {
            lines.append("addresses without a peer id: \(counts(report.candidates))")
        }
        return lines
    }
}

// MARK: - JSON

extension DiffPrinter {
    private func json(_ difference: Difference) -> JSON {
        switch difference {
        case .onlyInFirst(let record): return peer("only-in-first", record, nil, [])
        case .onlyInSecond(let record): return peer("only-in-second", nil, record, [])
        case .changed(let first, let second, let fields): return peer("changed", first, second, fields)
        case .candidateOnlyInFirst(let candidate): return self.candidate("only-in-first", candidate, nil)
        case .candidateOnlyInSecond(let candidate): return self.candidate("only-in-second", nil, candidate)
        case .candidateChanged(let first, let second): return candidate("changed", first, second)
        }
    }

    private func peer(_ change: String, _ first: PeerRecord?, _ second: PeerRecord?, _ fields: PeerFields) -> JSON {
        let record = first ?? second
        var addresses: (added: [String], removed: [String]) = ([], [])
        if let first, let second, fields.contains(.addresses) { addresses = addressChanges(first, second) }
        return .object([
            "change": .string(change), "id": .optional(record.map { view.id($0.id) }),
            "key": .optional(record.map { view.key($0.key) }), "fields": .strings(fields.names),
            "addressesAdded": .strings(addresses.added), "addressesRemoved": .strings(addresses.removed),
            "first": first.map(view.json) ?? .null, "second": second.map(view.json) ?? .null,
        ])
    }

    private func candidate(_ change: String, _ first: Candidate?, _ second: Candidate?) -> JSON {
        func json(_ candidate: Candidate) -> JSON {
            .object([
                "firstSeenMs": .int(candidate.firstSeen.milliseconds),
                "lastSeenMs": .int(candidate.lastSeen.milliseconds),
                "lastTriedMs": .optional(candidate.lastTried?.milliseconds), "tries": .int(candidate.tries),
                "source": .optional(candidate.source),
            ])
        }
        return .object([
            "change": .string(change), "address": .optional((first ?? second)?.address.description),
            "first": first.map(json) ?? .null, "second": second.map(json) ?? .null,
        ])
    }

    private func summary(_ report: DiffReport, isComplete: Bool) -> [(String, JSON)] {
        [
            ("isComplete", .bool(isComplete)), ("isSame", .bool(report.isSame)),
            ("network", .string(report.network.name)), ("first", json(report.first)),
            ("second", json(report.second)), ("compared", .strings(report.compared.names)),
            ("peers", json(report.peers)), ("candidates", json(report.candidates)),
            (
                "changes",
                .members(
                    PeerFields.names.compactMap { name, field in report.changes[field].map { (name, .int($0)) } })
            ),
        ]
    }

    private func json(_ side: DiffSideReport) -> JSON {
        .object([
            "name": .string(side.name), "format": .optional(side.format?.name), "peers": .int(side.peers),
            "candidates": .int(side.candidates), "unread": .int(side.unread),
            "rejections": .array(side.rejections.map(ImportReportView.json)),
            "fault": .optional(side.fault?.description),
        ])
    }

    private func json(_ counts: DiffReport.Counts) -> JSON {
        .object([
            "onlyInFirst": .int(counts.onlyInFirst), "onlyInSecond": .int(counts.onlyInSecond),
            "changed": .int(counts.changed), "same": .int(counts.same),
        ])
    }
}
