import ArgumentParser
import KadExchange
import KadStore
import Kademlia

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write peers to a file or to standard output.",
        discussion: """
            The native format keeps everything and can be restored (kadstore import --restore). Formats that are \
            written: \(ExchangeFormat.names(ExchangeFormat.exportable)). A file appears whole or not at all, \
            readable by its owner alone. With conditions, only the peers that meet them are written. Records whose rows are \
            damaged are left out and counted; the exit status is then 3.

            EXAMPLES:
              kadstore export backup.jsonl
              kadstore export --format multiaddrs --answered-since 1d > bootstrap.txt
              kadstore export --format csv - | head
            """)

    @Argument(help: "The file; standard output when it is - or not given.", completion: .file())
    var file = "-"

    @Option(
        help: ArgumentHelp("The format.", valueName: "format"),
        completion: .list(ExchangeFormat.exportable.map(\.name)))
    var format: ExchangeFormat = .native

    @OptionGroup(title: "Which peers") var filter: FilterOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard format.canExport else {
            throw ValidationError(
                "The format \(format.name) is only read. Written are: "
                    + ExchangeFormat.names(ExchangeFormat.exportable) + ".")
        }
        guard !file.isEmpty else { throw ValidationError("The name of the file is empty.") }
    }

    func run() async throws {
        try database.refuse(asOutput: file)
        try ExportedFile.refuse(format, to: file)
        let command = self
        let report = try await Interruption.cancelling { try await command.export() }
        let terminal = Terminal.standardError
        var parts = [terminal.count(report.peers, "peer")]
        if report.candidates > 0 { parts.append(terminal.count(report.candidates, "candidate")) }
        if report.identities > 0 { parts.append(terminal.count(report.identities, "identity", "identities")) }
        let place = file == "-" ? "standard output" : terminal.safe(file)
        Messages.line(
            "Exported \(parts.joined(separator: ", ")) to \(place) (\(format.name), \(terminal.bytes(report.bytes))).")
        if report.leftOut > 0 {
            Messages.line("\(terminal.count(report.leftOut, "record")) left out: \(format.name) cannot express them.")
        }
        let damaged = [
            (report.damaged, "peer"), (report.damagedCandidates, "candidate"), (report.damagedTombstones, "tombstone"),
        ].filter { $0.0 > 0 }
        if !damaged.isEmpty { throw CommandError.damagedRecords(damaged.map { terminal.count($0.0, $0.1) }) }
    }

    private func export() async throws -> ExportReport {
        let progress = Progress("Exporting", unit: "peers")
        defer { progress.finish() }
        var options = ExportOptions()
        options.format = format
        options.onProgress = { progress.update($0) }
        let settings = options
        return try await BrokenPipe.ending {
            try await database.reading { store in
                var settings = settings
                settings.filter = try filter.filter(in: store, now: Instant.systemClock())
                do throws(ExchangeError) {
                    return try await store.exportPeers(to: file, settings)
                } catch {
                    throw ExportedFile.failure(error)
                }
            }
        }
    }
}
