import ArgumentParser
import KadExchange
import KadStore
import Kademlia

struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare the peers of two stores or files.",
        discussion: """
            A and B are databases of kadstore or files of any format that is imported. Differences are printed in the \
            order of the keys: - for peers that only A has, + for those that only B has, ~ for those that differ, with \
            the fields; then the same for addresses without a peer id. Fields count that both sides carry: databases \
            and native files carry all, other files those that any of their records states, so that a list of \
            addresses is compared by ids and addresses alone. Addresses count whatever their order and scope. \
            Identities, buckets, tombstones and sessions are not compared.

            Fields: \(PeerFields.all.names.joined(separator: ", ")); history is all but addresses and candidates.

            Exits with 0 when nothing differs, with 1 when something does, with 64 or more when something could not \
            be compared.

            EXAMPLES:
              kadstore diff yesterday.db today.db --summary
              kadstore diff peers.db backup.jsonl
              kadstore diff peers.db bootstrap.txt --limit 20
              kadstore diff old.jsonl new.jsonl --ignore history --json

            JSON: {version, differences: [{change: kind, id: text, key: text, fields: [text], addressesAdded: [text], \
            addressesRemoved: [text], first: peer or null, second: peer or null} or {change: kind, address: text, first: \
            candidate or null, second: candidate or null}], isComplete (false when --limit cut the list short), isSame, \
            network: text, first: side, second: side, compared: [text], peers: counts, candidates: counts, changes: \
            {FIELD: integer}}
            kind = "only-in-first" or "only-in-second" or "changed"
            candidate = {firstSeenMs, lastSeenMs, lastTriedMs or null, tries, source: text or null}
            side = {name: text, format: text or null (of a database), peers, candidates, unread, rejections: \
            [rejection], fault: text or null}
            counts = {onlyInFirst, onlyInSecond, changed, same}
            \(ImportReportView.rejectionShape)
            \(PeerView.jsonShape)
            """)

    @Argument(help: "A database or file; - is standard input.", completion: .file())
    var first: String

    @Argument(help: "Another one.", completion: .file())
    var second: String

    @Flag(help: "Print counts only.")
    var summary = false

    @Option(help: ArgumentHelp("The most differences to print; all are counted.", valueName: "count"))
    var limit: Int?

    @Option(
        help: ArgumentHelp(
            "Fields that do not count, with commas between them; history is all but ids and addresses.",
            valueName: "fields"))
    var ignore: FieldList?

    @Option(help: ArgumentHelp("Take files for this format.", valueName: "format"))
    var format = FormatChoice.auto

    @OptionGroup(title: "The peers") var network: NetworkOptions
    @OptionGroup(title: "Which peers") var filter: FilterOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard limit ?? 0 >= 0 else { throw ValidationError("--limit is at least 0.") }
        guard first != "-" || second != "-" else { throw ValidationError("Standard input can be read once.") }
        guard network.scope == nil else { throw ValidationError("Addresses of every scope are compared: no --scope.") }
        guard !summary || limit == nil else { throw ValidationError("--summary prints no differences: no --limit.") }
    }

    func run() async throws {
        let command = self
        let report = try await Interruption.cancelling { try await command.compare() }
        if !report.isComplete { throw CommandError.partlyCompared }
        if !report.isSame { throw ExitCode(ExitStatus.negative.rawValue) }
    }

    private func compare() async throws -> DiffReport {
        // Before either is opened: both may be one file.
        let databases = [first, second].map { $0 != "-" && FileStatus.isSQLite($0) }
        let names = [first, second]
        for (database, other) in [(0, 1), (1, 0)] where databases[database] && !databases[other] {
            // Closing a part of an open database would drop SQLite's locks.
            guard FileStatus.isPart(names[other], of: names[database]) else { continue }
            throw CommandError.usage("\(names[other]) is a part of the database \(names[database]).")
        }
        return try await side(first, isDatabase: databases[0]) { first in
            try await side(second, isDatabase: databases[1]) { second in try await compare(first, second) }
        }
    }

    /// Opens a side, and closes it whatever happens.
    private func side<Value>(
        _ path: String, isDatabase: Bool, _ body: (DiffSide) async throws -> Value
    ) async throws -> Value {
        guard isDatabase, let store = try await store(path) else {
            return try await body(.file(try ImportSource.open(path, format: format.format)))
        }
        do {
            let value = try await body(.store(store))
            try await store.close()
            return value
        } catch {
            try? await store.close()
            throw error
        }
    }

    /// The store of this name; nil for another program's database.
    private func store(_ path: String) async throws -> Store? {
        do {
            return try await Store.open(path, mode: .readOnly)
        } catch StoreError.notAStore {
            return nil
        }
    }

    private func compare(_ first: DiffSide, _ second: DiffSide) async throws -> DiffReport {
        let now = Instant.systemClock()
        let stated = first.network ?? second.network
        guard let network = self.network.isGiven ? try self.network.resolved(default: stated ?? .libp2p) : stated else {
            throw ExchangeError.networkNotStated(name: first.name)
        }
        let progress = Progress("Reading", unit: "records")
        defer { progress.finish() }
        var options = DiffOptions(now: now)
        options.network = network
        options.filter = try filter(first, second, network, now)
        options.ignored = ignore?.fields ?? []
        options.onProgress = { progress.update($0) }
        let shown = summary ? 0 : limit ?? .max
        let printer = DiffPrinter(
            PeerView(network: network, terminal: .standardOutput, now: now), limit: shown, isJSON: output.isJSON)
        try printer.begin()
        let report: DiffReport
        do throws(ExchangeError) {
            report = try await Exchange.diff(first, second, options) { printer.print($0) }
        } catch {
            guard error == .cancelled else { throw error }
            try printer.flush()
            throw CommandError.interrupted("Interrupted: not all was compared. Run the same command again.")
        }
        progress.finish()
        try printer.end(report, onOutput: summary)
        return report
    }

    /// --bucket counts from the identity of the first side that is a store.
    private func filter(
        _ first: DiffSide, _ second: DiffSide, _ network: Network, _ now: Instant
    ) throws -> PeerFilter {
        for case .store(let store) in [first, second] { return try filter.filter(in: store, now: now) }
        return try filter.filter(in: network, now: now)
    }
}

/// Names of fields with commas between them.
struct FieldList: ExpressibleByArgument {
    private(set) var fields = PeerFields()

    init?(argument: String) {
        for name in argument.split(separator: ",") {
            if name == "history" {
                fields.formUnion(.history)
            } else if let field = PeerFields.names.first(where: { $0.key == name }) {
                fields.formUnion(field.value)
            } else {
                return nil
            }
        }
        guard !fields.isEmpty else { return nil }
    }

    static var allValueStrings: [String] { PeerFields.all.names + ["history"] }
}
