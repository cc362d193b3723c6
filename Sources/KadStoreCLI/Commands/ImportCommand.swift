import ArgumentParser
import KadExchange
import KadStore

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import peers from files of other programs, or of kadstore itself.",
        discussion: """
            The format is recognised from the content: \(ExchangeFormat.names(ExchangeFormat.importable)). A store \
            that is not there is created as soon as there is something to put into it, with the network and scope of \
            the first file unless --network and --scope say otherwise. Records that are wrong are reported with their \
            place, the others are imported. Importing a file again changes nothing, so an import that was interrupted \
            is completed by running it again. Imported peers count as unverified: what others say of their own \
            successes counts with --trust-history alone. A dry run counts each file as if it were the only one.

            Conditions choose among the records as the file states them, its own successes and waits included; one \
            without a time counts as heard of now, one that names no source has file:NAME. What they leave out is \
            counted, and not rejected. With conditions, addresses without a peer id are left out.

            The file of rejected records has lines {file, line or offset, kind, reason, text or hex, isCut}: text is \
            the record as it stands in the file (hex when it is not UTF-8), its first 64 KiB (isCut). It appears when \
            the command ends, interrupted or not.

            EXAMPLES:
              kadstore import bootstrap.txt
              ipfs bootstrap list | kadstore import -
              kadstore import --db lab.db --scope private session.dat visits.ndjson
              kadstore import --dry-run --reject-file bad.jsonl visits.ndjson
              kadstore import --no-history --since 7d --standing answered crawl.csv
              kadstore import --db copy.db --restore backup.jsonl

            JSON: {version, path: text, isDryRun, isNew, network: text or null, scope: "public" or "private" or null, \
            files: [{name: text, format: text, records, peers: counts, candidates: counts, filtered, rejected: {REASON: \
            integer}, rejections: [rejection] (the first 20), unroutableAddresses, surplusAddresses, damagedPeers, \
            ownRecords, impossibleStamps, fault: text or null} or {name: text, error: text}]}
            JSON with --restore: {version, path: text, isDryRun, isNew, network: text, scope: "public" or "private", \
            restored: {peers, candidates, tombstones, identities, buckets, heldFailures, sessions, lookups}}
            counts = {added, updated, unchanged}
            \(ImportReportView.rejectionShape)
            """)

    @Argument(help: "The files; - is standard input.", completion: .file())
    var files: [String]

    @OptionGroup(title: "A new store") var network: NetworkOptions

    @Option(help: ArgumentHelp("Take the files for this format.", valueName: "format"))
    var format = FormatChoice.auto

    @Flag(help: "Fill an empty store with a native file, every field as it is: all of it or nothing.")
    var restore = false

    @OptionGroup var intake: IntakeOptions
    @OptionGroup(title: "Which records") var filter: FilterOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard files.filter({ $0 == "-" }).count <= 1 else { throw ValidationError("Standard input can be read once.") }
        guard !restore || files.count == 1 else { throw ValidationError("--restore takes one file.") }
        guard !restore || !(intake.isGiven || filter.isGiven) else {
            throw ValidationError("--restore takes every field as it is: leave the other options out.")
        }
    }

    func run() async throws {
        let run = ImportRun(command: self)
        try await Interruption.cancelling { try await run.run() }
    }
}
