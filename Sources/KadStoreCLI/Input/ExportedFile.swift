import KadExchange

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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
    /// refuses is about the file to be written. A reader that has gone ends the command as it ends any other tool: silently,
    /// by the signal.
    static func failure(_ error: ExchangeError) -> any Error {
        switch error {
        case .brokenPipe:
            raise(SIGPIPE)
            return CommandError.output(code: EPIPE)
        case .system(_, let name, let code): return CommandError.cannotCreate(path: name, code: code)
        default: return error
        }
    }
}

extension DatabaseOptions {
    /// Refuses to write over the database.
    func refuse(asOutput file: String) throws {
        for suffix in ["", "-wal", "-shm", "-lock"] where file != "-" && FileStatus.isSame(file, path + suffix) {
            throw CommandError.usage("\(file) is the database itself: write to another file.")
        }
    }
}
