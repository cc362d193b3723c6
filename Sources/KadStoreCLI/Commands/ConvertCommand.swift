import ArgumentParser
import KadExchange
import KadStore
import Kademlia

struct ConvertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write the peers of files to a file of another format, without a database.",
        discussion: """
            The last name is the file to be written, the others are read; - is standard input or output. What is \
            written is what importing the files into an empty store and exporting it would give: the records of one \
            peer merged, sorted by key, under the same rules. Formats that are written: \
            \(ExchangeFormat.names(ExchangeFormat.exportable)). One network goes in and out; peers of another are \
            refused. Not carried, not even between native files: tombstones, identities, buckets, held failures, \
            sessions, lookups, the clock, waits and breakers; with --trust-history, one's own successes, counters and \
            round-trip times are. The file appears whole or not at all, so a conversion that was interrupted is run again.

            EXAMPLES:
              kadstore convert session.dat nodes.jsonl --to kadstore
              kadstore convert visits.ndjson extra.txt - --to multiaddrs --no-history
              kadstore convert old.jsonl lately.csv --to csv --trust-history --since 7d
              kadstore convert peers.csv - --from csv --network opendht --to kadstore | head

            JSON: {version, output: text, isDryRun, format: text, network: text, scope: "public" or "private", files: \
            [{name: text, format: text, records, taken, filtered, rejected: {REASON: integer}, rejections: [rejection] \
            (the first 20), unroutableAddresses, surplusAddresses, ownRecords, impossibleStamps, fault: text or null}], \
            written: {peers, candidates, leftOut, bytes} or null}
            \(ImportReportView.rejectionShape)
            """)

    @Argument(help: "The files to read, then the file to write.", completion: .file())
    var files: [String]

    @Option(help: ArgumentHelp("The format to write.", valueName: "format"))
    var to: ExchangeFormat

    @Option(help: ArgumentHelp("Take the files for this format.", valueName: "format"))
    var from = FormatChoice.auto

    @Option(
        help: ArgumentHelp(
            "The time of the conversion: what records without times of their own are seen at. (default: now)",
            valueName: "when"))
    var at: Moment?

    @OptionGroup(title: "The peers") var network: NetworkOptions
    @OptionGroup var intake: IntakeOptions
    @OptionGroup(title: "Which records") var filter: FilterOptions
    @OptionGroup var output: OutputOptions

    private var target: String { files.last ?? "" }

    func validate() throws {
        guard files.count >= 2 else { throw ValidationError("Name the files to read and the file to write.") }
        guard to.canExport else {
            throw ValidationError(
                "The format \(to.name) is only read. Written are: "
                    + ExchangeFormat.names(ExchangeFormat.exportable) + ".")
        }
        guard files.dropLast().filter({ $0 == "-" }).count <= 1 else {
            throw ValidationError("Standard input can be read once.")
        }
        guard !files.contains("") else { throw ValidationError("The name of a file is empty.") }
        guard target != "-" || !output.isJSON || intake.dryRun else {
            throw ValidationError("Standard output takes the file or the JSON, not both.")
        }
    }

    func run() async throws {
        if !intake.dryRun { try ExportedFile.refuse(to, to: target) }
        let command = self
        let report = try await BrokenPipe.ending {
            try await Interruption.cancelling { try await command.convert() }
        }
        for file in report.files {
            let view = ImportReportView(report: file, scope: report.scope, isIntoStore: false)
            for line in view.lines(.standardError) { Messages.line(line) }
        }
        if let written = report.written { tell(written) }
        if output.isJSON {
            var output = Output()
            try output.line(json(report).text)
            try output.flush()
        }
        if report.files.allSatisfy(\.isComplete) { return }
        let hasTaken = report.files.contains { $0.taken > 0 }
        throw hasTaken ? CommandError.partlyConverted : CommandError.nothingImported(.badData)
    }

    private func convert() async throws -> ConvertReport {
        let now = Instant.systemClock()
        let sources = try files.dropLast().map { file in
            for other in [target] where other != "-" && (other == file || FileStatus.isSame(other, file)) {
                throw CommandError.usage("\(target) is read and written: name another file to write.")
            }
            return try ImportSource.open(file, format: from.format)
        }
        var network: Network?
        if self.network.isGiven {
            network = try self.network.resolved(default: sources.lazy.compactMap(\.network).first ?? .libp2p)
        }
        guard let known = network ?? sources.lazy.compactMap(\.network).first else {
            throw ExchangeError.networkNotStated(name: sources.first?.name ?? target)
        }
        let rejects = try intake.openRejectFile(besides: files)
        var input = intake.options(try filter.filter(in: known, now: now), now: at?.instant(now: now) ?? now)
        let (reading, writing) = (Progress("Reading", unit: "records"), Progress("Writing", unit: "peers"))
        input.onProgress = { reading.update($0) }
        var options = ConvertOptions(to: to, input)
        options.network = network
        options.scope = self.network.scope
        options.onProgress = { writing.update($0) }
        defer {
            reading.finish()
            writing.finish()
        }
        let outcome: Result<ConvertReport, any Error>
        do throws(ExchangeError) {
            outcome = .success(try await Exchange.convert(sources, to: target, options, rejects: rejects))
        } catch .cancelled {
            outcome = .failure(
                CommandError.interrupted(
                    "Interrupted: \(target == "-" ? "not all was written" : "nothing was written"). "
                        + "Run the same command again."))
        } catch .system(_, let name, let code) where name == target {
            outcome = .failure(CommandError.cannotCreate(path: name, code: code))
        } catch {
            outcome = .failure(error)
        }
        if let rejects { try intake.commit(rejects, besides: files, after: outcome) }
        return try outcome.get()
    }

    private func tell(_ written: ExportReport) {
        let terminal = Terminal.standardError
        var parts = [terminal.count(written.peers, "peer")]
        if written.candidates > 0 {
            parts.append(terminal.count(written.candidates, "address", "addresses") + " without a peer id")
        }
        let place = target == "-" ? "standard output" : terminal.safe(target)
        Messages.line(
            "Wrote \(parts.joined(separator: ", ")) to \(place) (\(to.name), \(terminal.bytes(written.bytes))).")
        if written.leftOut > 0 {
            Messages.line("\(terminal.count(written.leftOut, "record")) left out: \(to.name) cannot express them.")
        }
    }

    private func json(_ report: ConvertReport) -> JSON {
        .object([
            "version": JSON.formatVersion, "output": .string(target), "isDryRun": .bool(intake.dryRun),
            "format": .string(to.name), "network": .string(report.network.name),
            "scope": .string(report.scope.rawValue),
            "files": .array(
                report.files.map { ImportReportView(report: $0, scope: report.scope, isIntoStore: false).json }),
            "written": report.written.map { written in
                .object([
                    "peers": .int(written.peers), "candidates": .int(written.candidates),
                    "leftOut": .int(written.leftOut), "bytes": .int(written.bytes),
                ])
            } ?? .null,
        ])
    }
}
