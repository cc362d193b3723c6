import ArgumentParser
import KadStore
import Kademlia

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the file: its structure, every row, and the stored routing tables.",
        discussion: """
            Nothing is changed. The exit status is 1 when problems were found; a file that is too damaged to be \
            opened gives 65. The problems are printed on standard output, one on a line.

            EXAMPLES:
              kadstore check
              kadstore check --full --json

            JSON: {version, path: text, isSound, isFull, problemCount, problems: [{place: text, key: text or null, text: \
            text}] (the first 100), peersChecked, contactsChecked, damagedRows, unsealedRows, logFault: text or null, sqliteVersion: text, isAffectedByWALReset}
            """)

    @Flag(help: "Also derive every key from its id again, and compare indexes with their tables.")
    var full = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        let (report, network) = try await database.reading { store in
            let progress = Progress("Checking", unit: "peers")
            defer { progress.finish() }
            return (try await store.check(full: full) { progress.update($0) }, store.network)
        }
        var output = Output()
        if self.output.isJSON {
            try output.line(json(report, network).text)
        } else {
            for problem in report.problems { try output.line(text(problem, network, output.terminal)) }
        }
        try output.flush()
        if !self.output.isJSON { summarise(report) }
        guard report.isSound else { throw CommandError.problemsFound(report.problemCount) }
    }

    private func text(_ problem: CheckReport.Problem, _ network: Network, _ terminal: Terminal) -> String {
        let key = problem.key.map { " " + $0.hex(byteCount: network.keyByteCount) } ?? ""
        return "\(terminal.safe(problem.place))\(key): \(terminal.safe(problem.text))"
    }

    private func summarise(_ report: CheckReport) {
        let terminal = Terminal.standardError
        if report.problemCount > report.problems.count {
            Messages.note("the first \(report.problems.count) of \(terminal.count(report.problemCount)) problems")
        }
        if report.isSound {
            let checked =
                "\(terminal.count(report.peersChecked, "peer")), \(terminal.count(report.contactsChecked, "contact"))"
            Messages.line("\(terminal.paint("Sound", .green)): \(checked) checked\(report.isFull ? " in full" : "").")
        }
        if report.unsealedRows > 0 {
            Messages.note(
                "\(terminal.count(report.unsealedRows, "row")) without a seal, written by an older kadstore or by hand: "
                    + "damage to them may go unnoticed. 'kadstore vacuum' seals them.")
        }
        if let fault = report.logFault {
            Messages.line(
                "\(terminal.paint("warning", .yellow)): \(fault). A loss of power leaves that, or damage. 'kadstore salvage' looks "
                    + "behind it; whoever writes the database keeps a copy of the log first.")
        }
        Messages.note("SQLite \(report.sqliteVersion)" + Self.advice(report))
    }

    private static func advice(_ report: CheckReport) -> String {
        guard report.isAffectedByWALReset else { return "." }
        return
            ", which can lose commits when a checkpoint meets a write (fixed in 3.51.3, 3.50.7 and 3.44.6). kadstore "
            + "keeps the two apart; other programs do not, so let none write this file."
    }

    private func json(_ report: CheckReport, _ network: Network) -> JSON {
        .object([
            "version": JSON.formatVersion, "path": .string(database.path), "isSound": .bool(report.isSound),
            "isFull": .bool(report.isFull), "problemCount": .int(report.problemCount),
            "problems": .array(
                report.problems.map { problem in
                    .object([
                        "place": .string(problem.place),
                        "key": .optional(problem.key?.hex(byteCount: network.keyByteCount)),
                        "text": .string(problem.text),
                    ])
                }),
            "peersChecked": .int(report.peersChecked), "contactsChecked": .int(report.contactsChecked),
            "damagedRows": .int(report.damagedRows), "unsealedRows": .int(report.unsealedRows),
            "logFault": .optional(report.logFault),
            "sqliteVersion": .string(report.sqliteVersion), "isAffectedByWALReset": .bool(report.isAffectedByWALReset),
        ])
    }
}
