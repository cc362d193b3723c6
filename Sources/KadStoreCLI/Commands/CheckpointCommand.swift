import ArgumentParser
import KadStore

struct CheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Move the write-ahead log into the file, and empty it.",
        discussion: """
            Stores do this by themselves as they write, and when they are closed; a reader that stays keeps the log \
            from being emptied. Works while a node writes. The exit status is 3 when the log could not be emptied.

            EXAMPLES:
              kadstore checkpoint

            JSON: {version, path: text, logPages, movedPages, logBytesBefore, logBytes, isLogEmpty}
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        let report = try await database.using(.readWrite) { try await $0.checkpoint() }
        if output.isJSON {
            var output = Output()
            try output.line(
                JSON.object([
                    "version": JSON.formatVersion, "path": .string(database.path), "logPages": .int(report.logPages),
                    "movedPages": .int(report.movedPages), "logBytesBefore": .int(report.logBytesBefore),
                    "logBytes": .int(report.logBytes), "isLogEmpty": .bool(report.isLogEmpty),
                ]).text)
            try output.flush()
        } else {
            let terminal = Terminal.standardError
            Messages.line(
                "Moved \(terminal.count(report.movedPages)) of \(terminal.count(report.logPages, "page")) of the log "
                    + "into \(terminal.safe(database.path)); the log has \(terminal.bytes(report.logBytes)), "
                    + "had \(terminal.bytes(report.logBytesBefore)).")
        }
        if !report.isLogEmpty { throw CommandError.logNotEmptied }
    }
}
