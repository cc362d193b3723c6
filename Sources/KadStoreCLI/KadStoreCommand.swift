import ArgumentParser
import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@main
struct KadStoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kadstore",
        abstract: "A Kademlia routing table that remembers: every peer a node has met, in one SQLite file.",
        discussion: """
            Data goes to standard output, everything else to standard error. The database is ./peers.db unless --db or \
            the variable KADSTORE_DB names another.

            EXAMPLES:
              kadstore import bootstrap.txt            import; creates the database
              kadstore stats                           what the store holds
              kadstore nearest "hello world"           the peers nearest to a key
              kadstore peers --answered --since 6h     who answered, seen lately
              kadstore buckets                         a picture of the table
              kadstore report --output report.html     all of it on one page, in pictures
              kadstore export backup.jsonl             everything, as text
              kadstore simulate --list                 questions to a simulated network

            EXIT STATUS:
            \(ExitStatus.allCases.map { "  \(padded($0.rawValue))  \($0.meaning)" }.joined(separator: "\n"))

            ENVIRONMENT:
              KADSTORE_DB     the database where --db is not given
              NO_COLOR        no color; CLICOLOR_FORCE=1 asks for it in pipes too
              COLUMNS         the width of the terminal
              LC_ALL, LANG    without UTF-8 in them, output is ASCII alone
            """,
        version: "0.1.0",
        subcommands: [
            InitCommand.self, NearestCommand.self, PeersCommand.self, BucketsCommand.self,
            ExplainCommand.self, ForgiveCommand.self, WarmCommand.self, StatsCommand.self, ReportCommand.self,
            CheckCommand.self,
            ImportCommand.self, ExportCommand.self, SimulateCommand.self,
        ])

    private static func padded(_ number: Int32) -> String { number < 10 ? " \(number)" : "\(number)" }

    static func main() async {
        // A parent may have it ignored: then a full pipe whose reader has gone would be an error to report.
        signal(SIGPIPE, SIG_DFL)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(error)
        }
    }

    private static func leave(_ error: any Error) -> Never {
        // Help, version and what ArgumentParser itself found wrong: it knows how to say that.
        let code = exitCode(for: error)
        if code == .success || error is ExitCode { exit(withError: error) }
        if code != .failure {
            // It quotes the command line, which may have come from anywhere.
            for line in fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false) {
                Messages.line(Terminal.standardError.safe(String(line)))
            }
            ExitStatus.usage.leave()
        }
        Messages.error("\(error)")
        ExitStatus(error).leave()
    }
}
