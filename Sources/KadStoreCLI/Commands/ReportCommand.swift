import ArgumentParser
import KadExchange
import KadStore
import Kademlia

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write one HTML page that shows the store at a glance.",
        discussion: """
            The page is whole: it loads nothing and runs nothing, so it can be kept, mailed and opened anywhere. It shows \
            the table by bucket, networks and sources (where an eclipse would show), liveness, failures, backoff and \
            breakers, round-trip times, growth, lookups, agents and protocols; behind every picture are its numbers. \
            A file appears whole or not at all, readable by its owner alone: it says whom a node talks to.

            A store that a node has run on keeps that node's k-buckets: they are drawn as they are. With --near, or \
            when the store has no identity, the picture is of all peers as a table around that point would hold them.

            EXAMPLES:
              kadstore report --output report.html
              kadstore report --db lab.db --near "hello world" --title "The lab" > lab.html

            Every number of 'kadstore stats --json' is on the page, in an element with its path as data-stat (peers, \
            rttUs.p50, failures.0.count) and its exact value as data-value.
            """)

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The page; standard output when it is - or not given.", valueName: "file"),
        completion: .file(extensions: ["html"]))
    var output = "-"

    @Option(help: ArgumentHelp("The heading. (default: the name of the database)", valueName: "text"))
    var title: String?

    @Option(help: ArgumentHelp("Draw all peers around this peer id, key or text.", valueName: "target"))
    var near: String?

    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard !output.isEmpty else { throw ValidationError("The name of the page is empty.") }
    }

    func run() async throws {
        if output == "-", Terminal.standardOutput.isInteractive {
            throw CommandError.usage("a page is not for a terminal: name a file with --output, or redirect.")
        }
        try database.refuse(asOutput: output)
        let (page, damaged) = try await database.reading { store in
            let key = try near.map { text in
                let target = try Target(text, in: store.network)
                Messages.note(target.explanation(in: store.network, .standardError))
                return target.key
            }
            let progress = Progress("Reading", unit: "peers")
            defer { progress.finish() }
            let report = try await ReportPage(of: store, title: title ?? defaultTitle, near: key) {
                progress.update($0)
            }
            return (Array(report.html.source.utf8), report.survey.damagedRows)
        }
        try await BrokenPipe.ending { try ExportedFile.write(page, to: output) }
        if output != "-" {
            let terminal = Terminal.standardError
            Messages.line("Wrote \(terminal.safe(output)) (\(terminal.bytes(Int64(page.count)))).")
        }
        if damaged > 0 { throw CommandError.damagedRows(damaged) }
    }

    private var defaultTitle: String {
        "Routing table: \(database.path.split(separator: "/").last.map(String.init) ?? database.path)"
    }
}
