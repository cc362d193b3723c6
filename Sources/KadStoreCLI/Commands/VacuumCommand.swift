import ArgumentParser
import KadStore

struct VacuumCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vacuum",
        abstract: "Rebuild the file: without free pages, every table in its order.",
        discussion: """
            Works while a node writes: its writes wait in its queue, readers go on. It takes room twice, in the \
            system's folder for temporary files and in the log. When somebody reads from the log it cannot be emptied, \
            and the file keeps its size until it is: the exit status is then 3, and 'kadstore checkpoint' does the \
            rest. Rows without a seal, written by an older kadstore or by hand, get one. Interrupted or without room, the file is as it was.

            EXAMPLES:
              kadstore vacuum

            JSON: {version, path: text, fileBytesBefore, logBytesBefore, fileBytes, logBytes, sealedRows, isLogEmpty}
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        let command = self
        let report = try await Interruption.cancelling { try await command.vacuum() }
        if output.isJSON {
            var output = Output()
            try output.line(
                JSON.object([
                    "version": JSON.formatVersion, "path": .string(database.path),
                    "fileBytesBefore": .int(report.fileBytesBefore), "logBytesBefore": .int(report.logBytesBefore),
                    "fileBytes": .int(report.fileBytes), "logBytes": .int(report.logBytes),
                    "sealedRows": .int(report.sealedRows), "isLogEmpty": .bool(report.isLogEmpty),
                ]).text)
            try output.flush()
        } else {
            let terminal = Terminal.standardError
            func size(_ file: Int64, _ log: Int64) -> String {
                terminal.bytes(file) + (log == 0 ? "" : " and a log of \(terminal.bytes(log))")
            }
            Messages.line(
                "Rebuilt \(terminal.safe(database.path)): "
                    + "\(size(report.fileBytesBefore, report.logBytesBefore)) before, "
                    + "\(size(report.fileBytes, report.logBytes)) now."
                    + (report.sealedRows == 0 ? "" : " \(terminal.count(report.sealedRows, "row")) sealed."))
        }
        if !report.isLogEmpty { throw CommandError.logNotEmptied }
    }

    private func vacuum() async throws -> VacuumReport {
        try await database.using(.readWrite) { store in
            do throws(StoreError) {
                return try await store.vacuum()
            } catch .interrupted {
                throw CommandError.interrupted("interrupted: the file is as it was. Run the same command again.")
            }
        }
    }
}
