import KadExchange

/// What a command writes for others: a file, or standard output.
enum ExportedFile {
    /// Writes a file whole or not at all; `-` is standard output.
    static func write(_ bytes: [UInt8], to path: String) throws {
        do throws(ExchangeError) {
            var file = try OutputFile(path: path)
            file.sink.buffer = bytes
            try file.commit()
        } catch {
            throw failure(error)
        }
    }

    /// What becomes of an error of writing, where nothing is read but the store, whose errors are its own: what the system
    /// refuses is about the file to be written.
    static func failure(_ error: ExchangeError) -> any Error {
        if case .system(_, let name, let code) = error { return CommandError.cannotCreate(path: name, code: code) }
        return error
    }
}

extension DatabaseOptions {
    /// The files that belong to a database.
    static func files(of path: String) -> [String] { ["", "-wal", "-shm", "-lock"].map { path + $0 } }

    /// Refuses to write over the database.
    func refuse(asOutput file: String) throws {
        guard file != "-" else { return }
        for other in Self.files(of: path) where file == other || FileStatus.isSame(file, other) {
            throw CommandError.usage("\(file) is the database itself: write to another file.")
        }
    }
}
