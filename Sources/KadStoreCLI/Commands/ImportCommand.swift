import ArgumentParser
import KadExchange
import KadStore

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import peers from files of other programs, or of kadstore itself.",
        discussion: """
            The format is recognised from the content: \(ExchangeFormat.names(ExchangeFormat.importable)). A store \
            that is not there is created, with the network and scope of the first file unless --network and --scope say \
            otherwise. Records that are wrong are reported with their place, the others are imported. Importing \
            a file again changes nothing. Imported peers count as unverified: what others say of their own \
            successes counts with --trust-history alone.

            EXAMPLES:
              kadstore import bootstrap.txt
              ipfs bootstrap list | kadstore import -
              kadstore import --db lab.db --scope private session.dat visits.ndjson
              kadstore import --dry-run visits.ndjson
              kadstore import --db copy.db --restore backup.jsonl

            JSON: {version, path: text, isDryRun, isNew, network: text, scope: "public" or "private", files: [{name: \
            text, format: text, records, peers: counts, candidates: counts, rejected: {REASON: integer}, rejections: \
            [{line? (in a text), offset? (in other files), row? (in tables), reason: text, excerpt: text or null}] (the \
            first 20), unroutableAddresses, surplusAddresses, damagedPeers, ownRecords, impossibleStamps, fault: text or null} or \
            {name: text, error: text}]}
            JSON with --restore: {version, path: text, isDryRun, isNew, network: text, scope: "public" or "private", \
            restored: {peers, candidates, tombstones, identities, buckets, heldFailures, sessions, lookups}}
            counts = {added, updated, unchanged}
            """)

    @Argument(help: "The files; - is standard input.", completion: .file())
    var files: [String]

    @OptionGroup(title: "A new store") var network: NetworkOptions

    @Option(help: ArgumentHelp("Take the files for this format.", valueName: "format"))
    var format: ExchangeFormat?

    @Flag(help: "Fill an empty store with a native file, every field as it is: all of it or nothing.")
    var restore = false

    @Flag(help: "Count what would change, and change nothing.")
    var dryRun = false

    @Flag(help: "Let successes, round-trip times and counters of the files count as one's own.")
    var trustHistory = false

    @Flag(help: "Keep addresses that the scope of the store does not admit.")
    var allowUnroutable = false

    @Option(help: ArgumentHelp("Who is named as the source of the peers. (default: file:NAME)", valueName: "name"))
    var source: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard files.filter({ $0 == "-" }).count <= 1 else { throw ValidationError("Standard input can be read once.") }
        guard !restore || files.count == 1 else { throw ValidationError("--restore takes one file.") }
        guard !restore || !(dryRun || trustHistory || allowUnroutable || source != nil) else {
            throw ValidationError("--restore takes every field as it is: leave the other options out.")
        }
    }

    func run() async throws {
        let run = ImportRun(command: self)
        try await Interruption.cancelling { try await run.run() }
    }
}

extension ExchangeFormat: ExpressibleByArgument {
    /// For `--help`.
    public static var allValueStrings: [String] { allCases.map(\.name) }

    static func names(_ formats: [ExchangeFormat]) -> String { formats.map(\.name).joined(separator: ", ") }
}
