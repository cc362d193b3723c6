import ArgumentParser
import KadStore

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the database into a file, while others use it.",
        discussion: """
            The copy is one consistent view of everything that was committed when it began; nobody waits for it. It \
            gets its name only when it is whole, was checked to the last row ('kadstore check --full') and is on the \
            medium; it can be read by its owner alone, and is itself a database: --db takes it. Interrupted or \
            without room, it leaves nothing. 'kadstore restore' puts it back; 'kadstore export' writes text.

            A database in which the check finds problems is not backed up unless --damaged says so: a good backup \
            is never replaced by a bad one. With --damaged the copy is made, and the exit status is 3.

            EXAMPLES:
              kadstore backup peers.backup.db
              kadstore backup --force --db /var/lib/node/peers.db /backup/peers.db

            JSON: {version, path: text, peers, bytes, problem: text or null (with --damaged, what is wrong first)}
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    @Flag(help: "Replace the file if it is there.")
    var force = false

    @Flag(help: "Copy the database even if it is damaged.")
    var damaged = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        let command = self
        let report = try await Interruption.cancelling { try await command.backup() }
        if output.isJSON {
            var output = Output()
            try output.line(
                JSON.object([
                    "version": JSON.formatVersion, "path": .string(report.path), "peers": .int(report.peers),
                    "bytes": .int(report.bytes), "problem": .optional(report.problem),
                ]).text)
            try output.flush()
        } else {
            let terminal = Terminal.standardError
            let checked = report.problem == nil ? ", checked" : ""
            Messages.line(
                "Backed up \(terminal.count(report.peers, "peer")) to \(terminal.safe(report.path)) "
                    + "(\(terminal.bytes(report.bytes))\(checked)).")
        }
        if let problem = report.problem { throw CommandError.copiedWithProblems(problem) }
    }

    private func backup() async throws -> BackupReport {
        let progress = CopyProgress("Backing up")
        defer { progress.finish() }
        var options = BackupOptions()
        options.replaces = force
        options.acceptsProblems = damaged
        options.onProgress = { progress.update($0) }
        let settings = options
        return try await database.reading { store in
            do throws(StoreError) {
                return try await store.backup(to: file, settings)
            } catch .interrupted {
                throw CommandError.interrupted("interrupted: no backup was made. Run the same command again.")
            }
        }
    }
}
