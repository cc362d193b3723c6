import ArgumentParser
import KadExchange
import KadStore
import Kademlia

struct SalvageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage",
        abstract: "Make a sound database of what can be read of a damaged one.",
        discussion: """
            The file is read page by page, its log included, whatever SQLite says of it. Every row that is what it was \
            when it was written is taken over; the others are counted, by table and reason, and --reject-file keeps \
            their bytes. The result is checked to the last row before it takes the place of the damaged database, which \
            is kept beside it with its log as FILE.corrupt-TIME; cut off at any moment, the place holds the old contents \
            or the new ones. It is refused while any program has the database open (75).

            Of a sound database it says so, and changes nothing. Where rows were lost, or may have been, the exit status is 3. A file that \
            shows no sign of having been a store is refused (65). Where the description of the network is lost, the \
            peers tell it, or --network and --scope. Of a file that an older kadstore made a database of the present schema \
            comes out; before schema 4 rows had no checksums, and a changed byte is noticed only where it says what cannot \
            be.

            EXAMPLES:
              kadstore salvage
              kadstore salvage --dry-run --db /var/lib/node/peers.db
              kadstore salvage --output saved.db --reject-file lost.jsonl

            JSON: {version, path: text, outcome: "sound" or "salvaged" or "salvageable", output: text or null, kept: [text], \
            problem: text or null, schema, network: text or null, scope: "public" or "private" or null, isNetworkInferred, isSaltNew, \
            peers, expectedPeers or null, pages, damagedPages, orphanPages, isFreeListIntact, log: {state: text, frames, \
            framesIgnored, framesBehind}, saved, lost, tables: [{table: text, found, saved, superseded, fromOrphans, lost: [{reason: text, \
            rows}]}]}
            """)

    @Option(
        name: .customLong("output"),
        help: ArgumentHelp(
            "Write the result to a new file, and leave the damaged one as it is.", valueName: "file"),
        completion: .file(extensions: ["db"]))
    var newFile: String?

    @Flag(help: "Say what could be saved, and write nothing but the --reject-file.")
    var dryRun = false

    @Option(
        help: ArgumentHelp("Write what was lost there, as JSON Lines.", valueName: "file"), completion: .file())
    var rejectFile: String?

    @OptionGroup var network: NetworkOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        for (name, value) in [("--output", newFile), ("--reject-file", rejectFile)] {
            guard value != "" else { throw ValidationError("The name of \(name) is empty.") }
            guard value != "-" else { throw ValidationError("\(name) needs a file: standard output is for data.") }
        }
    }

    func run() async throws {
        try database.validatePath()
        if !dryRun, newFile == nil { try database.requireWriting() }
        let others = Store.files(of: database.path) + (newFile.map { [$0] } ?? [])
        let rejects = try rejectFile.map { try RejectFile.open($0, besides: others) }
        let command = self
        let outcome: Result<SalvageReport, any Error>
        do {
            outcome = .success(try await Interruption.cancelling { try await command.salvage(rejects) })
        } catch {
            outcome = .failure(error)
        }
        let report = try outcome.get()
        if report.outcome != .sound { try rejects?.commit() }
        if output.isJSON {
            var output = Output()
            try output.line(SalvageView.json(report).text)
            try output.flush()
        } else {
            SalvageView.tell(report)
        }
        if !report.isComplete { throw CommandError.rowsLost(report.lost) }
    }

    private func salvage(_ rejects: RejectFile?) async throws -> SalvageReport {
        let progress = CopyProgress("Reading")
        defer { progress.finish() }
        let path = database.path
        var options = SalvageOptions()
        options.output = newFile
        options.isDryRun = dryRun
        options.network = network.isGiven ? try network.resolved(default: .libp2p) : nil
        options.scope = network.scope
        options.waitMilliseconds = database.waitMilliseconds
        options.onProgress = { progress.update($0) }
        if let rejects { options.onLost = { rejects.append($0, of: path) } }
        do throws(StoreError) {
            return try await Store.salvage(path, options)
        } catch .interrupted {
            throw CommandError.interrupted("interrupted: nothing was changed. Run the same command again.")
        }
    }
}
