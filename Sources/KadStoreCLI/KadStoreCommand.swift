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
              kadstore watch                           a node at work
              kadstore export peers.jsonl              everything, as text
              kadstore convert a.dat b.csv --to csv    from file to file
              kadstore diff old.db new.jsonl           what has changed
              kadstore backup backup.db                a copy that was checked, while a node writes
              kadstore simulate --list                 questions to a simulated network
              kadstore node --metrics 9464             a node of libp2p's DHT that remembers
              kadstore lookup "hello world"            the peers nearest to a key, asked in the network
              kadstore crawl                           a whole network into the store

            JSON:
              With --json a command prints one document, or one a line; its help gives the shape after JSON. There, a member \
            without a type is an integer, or true or false when its name begins with "is"; "or" separates what it may be, \
            a question mark marks a member that may be absent, a name in capitals stands for any, and a line NAME = gives \
            a part that is used above. Names that end in Ms are milliseconds (instants since 1970 UTC), in Us \
            microseconds, in Bytes bytes. "version" changes when a member goes or changes its meaning, not when one is \
            added.

            EXIT STATUS:
            \(ExitStatus.allCases.map { "  \(padded($0.rawValue))  \($0.meaning)" }.joined(separator: "\n"))

            ENVIRONMENT:
              KADSTORE_DB     the database where --db is not given
              NO_COLOR        no color; CLICOLOR_FORCE=1 asks for it in pipes too
              COLUMNS         the width of the terminal
              LC_ALL, LANG    without UTF-8 in them, output is ASCII alone
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Peer",
                subcommands: [
                    NearestCommand.self, PeersCommand.self, BucketsCommand.self, StatsCommand.self, ReportCommand.self,
                    WatchCommand.self,
                ]),
            CommandGroup(
                name: "File",
                subcommands: [ImportCommand.self, ExportCommand.self, ConvertCommand.self, DiffCommand.self]),
            CommandGroup(
                name: "Node",
                subcommands: [ExplainCommand.self, ForgiveCommand.self, WarmCommand.self, SimulateCommand.self]),
            CommandGroup(
                name: "Network",
                subcommands: [
                    NodeCommand.self, LookupCommand.self, GetCommand.self, PutCommand.self, ProvideCommand.self,
                    ProvidersCommand.self, CrawlCommand.self,
                ]),
            CommandGroup(
                name: "Database",
                subcommands: [
                    InitCommand.self, CheckCommand.self, BackupCommand.self, RestoreCommand.self, SalvageCommand.self,
                    MigrateCommand.self, PruneCommand.self, VacuumCommand.self, CheckpointCommand.self,
                ]),
        ])

    private static func padded(_ number: Int32) -> String { number < 10 ? " \(number)" : "\(number)" }

    static func main() async {
        StandardDescriptors.occupy()
        // A parent may have it ignored: then a full pipe whose reader has gone would be an error to report.
        signal(SIGPIPE, SIG_DFL)
        do {
            try requireKnownCommand(CommandLine.arguments.dropFirst())
            var command = try parseAsRoot()
            try Descriptors.require(Descriptors.command)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(error)
        }
    }

    /// The first argument that is no option names a command: ArgumentParser only calls it unexpected.
    private static func requireKnownCommand(_ arguments: ArraySlice<String>) throws {
        let named = arguments.first == "help" ? arguments.dropFirst().first : arguments.first
        let known = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard let named, !named.hasPrefix("-"), !known.contains(named) else { return }
        throw CommandError.notThere(
            "there is no command '\(named)': 'kadstore --help' lists them.",
            suggestions: Suggestions.names(like: named, among: known), status: .usage)
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
        Messages.error("\(CommandError.suggesting(for: error))")
        ExitStatus(error).leave()
    }
}
