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

    /// Refuses to show what is not for a terminal: binary files, and CSV, which holds what strangers say of themselves byte
    /// for byte. The other texts escape it.
    static func refuse(_ format: ExchangeFormat, to path: String, on terminal: Terminal = .standardOutput) throws {
        guard path == "-", terminal.isInteractive, format == .csv || !format.isText else { return }
        throw CommandError.usage("\(format.name) is not for a terminal: name a file, or redirect.")
    }

    /// What becomes of an error of writing, where nothing is read but the store, whose errors are its own: what the system
    /// refuses is about the file to be written.
    static func failure(_ error: ExchangeError) -> any Error {
        if case .system(_, let name, let code) = error { return CommandError.cannotCreate(path: name, code: code) }
        return error
    }
}

extension DatabaseOptions {
    /// Refuses to write over the database.
    func refuse(asOutput file: String) throws {
        guard file == "-" || !FileStatus.isPart(file, of: path) else {
            throw CommandError.usage("\(file) is the database itself, or a part of it: write to another file.")
        }
    }

    /// Refuses to read the database as a file: closing that would drop SQLite's locks.
    func refuse(asInput file: String) throws {
        guard file == "-" || !FileStatus.isPart(file, of: path) else {
            throw CommandError.usage("\(file) is the database itself, or a part of it: name another file.")
        }
    }
}
