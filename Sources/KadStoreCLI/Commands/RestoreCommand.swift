import ArgumentParser
import KadExchange
import KadStore

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a backup in the place of the database.",
        discussion: """
            The database then holds what the backup holds, and nothing else; where there is none, it is created. The \
            backup is checked to the last row first, and upgraded if an older kadstore made it; it stays as it is. \
            The change is one transaction: cut off at any moment, the database holds the old contents or the new \
            ones. It is refused while any program has the database open (75).

            A database that holds anything is replaced with --force alone; what it held is kept beside it, as \
            FILE.before-restore-TIME, unless --no-keep says otherwise. --force also allows a backup of another \
            network or scope. Text (the native format of 'kadstore export') goes in by 'kadstore import --restore'.

            EXAMPLES:
              kadstore restore peers.backup.db
              kadstore restore --force --db /var/lib/node/peers.db /backup/peers.db

            JSON: {version, path: text, network: text, scope: "public" or "private", peers, isNew, kept: text or null (the \
            name of what was there before), upgradedFrom or null (the schema of an older backup)}
            """)

    @Argument(help: "The backup: a database that 'kadstore backup' wrote, or another store.", completion: .file())
    var backup: String

    @Flag(help: "Replace a database that holds anything, or one of another network or scope.")
    var force = false

    @Flag(inversion: .prefixedNo, help: "Keep beside it what the database held.")
    var keep = true

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        try database.requireWriting()
        let command = self
        let report = try await Interruption.cancelling { try await command.restore() }
        guard output.isJSON else { return tell(report) }
        var output = Output()
        try output.line(
            JSON.object([
                "version": JSON.formatVersion, "path": .string(report.path), "network": .string(report.network.name),
                "scope": .string(report.scope.rawValue), "peers": .int(report.peers), "isNew": .bool(report.isNew),
                "kept": .optional(report.kept), "upgradedFrom": .optional(report.upgradedFrom.map(Int64.init)),
            ]).text)
        try output.flush()
    }

    private func tell(_ report: RestoredStore) {
        let terminal = Terminal.standardError
        let path = terminal.safe(report.path)
        Messages.line(
            "\(report.isNew ? "Created" : "Restored") \(path): \(terminal.count(report.peers, "peer")) of network "
                + "'\(report.network.name)', \(report.scope.rawValue) scope.")
        if let version = report.upgradedFrom { Messages.line("The backup had schema \(version): upgraded.") }
        if let kept = report.kept { Messages.line("What it held before is in \(terminal.safe(kept)).") }
    }

    private func restore() async throws -> RestoredStore {
        let progress = CopyProgress("Restoring")
        defer { progress.finish() }
        var options = RestoreOptions()
        options.replaces = force
        options.keepsOld = keep
        options.waitMilliseconds = database.waitMilliseconds
        options.onProgress = { progress.update($0) }
        do throws(StoreError) {
            return try await Store.restore(database.path, from: backup, options)
        } catch .notEmpty(let path) {
            throw CommandError.refused(
                "\(path): holds a store already. Replace it with --force; what it holds is kept beside it.")
        } catch .notAStore(let path, let reason) {
            if path == backup, (try? ImportSource.open(backup))?.format == .native {
                throw CommandError.notUnderstood(
                    "\(backup): is text, not a database. Put it into an empty store with 'kadstore import --restore'.")
            }
            throw StoreError.notAStore(path: path, reason: reason)
        } catch .interrupted {
            throw CommandError.interrupted("interrupted: nothing was changed. Run the same command again.")
        }
    }
}
