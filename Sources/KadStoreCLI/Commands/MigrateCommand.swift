import ArgumentParser
import KadStore

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Upgrade a database that an older kadstore made.",
        discussion: """
            A checked backup is made first, as FILE.schema-NUMBER-TIME; then everything is upgraded in one transaction. \
            It is refused while any program has the database open (75). Commands that write, and nodes, upgrade a \
            database too when they open it, without a backup, as long as the upgrade adds tables and columns and \
            leaves the rows alone; an upgrade that rewrites rows is made here alone. A database of a newer schema is \
            never touched (78).

            EXAMPLES:
              kadstore migrate --dry-run
              kadstore migrate --db /var/lib/node/peers.db

            JSON: {version, path: text, isDryRun, from, to (the same when there is nothing to do), changes: [text], \
            isRewriting, backup: text or null (its name)}
            """)

    @Flag(help: "Say what would be done, and do nothing.")
    var dryRun = false

    @Flag(inversion: .prefixedNo, help: "Make a backup first.")
    var backup = true

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        if dryRun { try database.validatePath() } else { try database.requireWriting() }
        let command = self
        let report = try await Interruption.cancelling { try await command.migrate() }
        guard output.isJSON else { return tell(report) }
        var output = Output()
        try output.line(
            JSON.object([
                "version": JSON.formatVersion, "path": .string(report.path), "isDryRun": .bool(dryRun),
                "from": .int(report.from), "to": .int(report.to), "changes": .strings(report.changes),
                "isRewriting": .bool(report.rewritesData), "backup": .optional(report.backup),
            ]).text)
        try output.flush()
    }

    private func tell(_ report: MigrationReport) {
        let terminal = Terminal.standardError
        let path = terminal.safe(report.path)
        guard !report.isCurrent else {
            Messages.line("\(path) has schema \(report.to), the current one: nothing to do.")
            return
        }
        if let backup = report.backup { Messages.line("Backed up to \(terminal.safe(backup)).") }
        let changes = report.changes.joined(separator: ", ")
        let kind = report.rewritesData ? "rewrites rows" : "adds tables and columns, and leaves the rows alone"
        Messages.line(
            dryRun
                ? "\(path) has schema \(report.from): would be upgraded to \(report.to) by \(changes), which \(kind)."
                : "Upgraded \(path) from schema \(report.from) to \(report.to): \(changes).")
    }

    private func migrate() async throws -> MigrationReport {
        let progress = CopyProgress("Backing up")
        defer { progress.finish() }
        var options = MigrateOptions()
        options.backsUp = backup
        options.isDryRun = dryRun
        options.waitMilliseconds = database.waitMilliseconds
        options.onProgress = { progress.update($0) }
        do throws(StoreError) {
            return try await Store.migrate(database.path, options)
        } catch .interrupted {
            throw CommandError.interrupted("interrupted: nothing was changed. Run the same command again.")
        }
    }
}
