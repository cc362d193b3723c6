#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A copy of a log that is damaged in its middle. SQLite passes over what it cannot reach, and whoever writes next writes
/// over it: so it is kept first, beside the database, as `<file>.corrupt-<UTC time>-wal`.
enum KeptLog {
    /// - Returns: the name; nil where there is nothing to keep, or where the same run of the log is kept already.
    static func keep(_ path: String, at milliseconds: Int64) throws -> String? {
        let log = DatabaseFiles.log(of: path)
        guard fileSize(log) > 0, DamagedLog.state(of: path).problem != nil, !isKept(log, of: path) else { return nil }
        let base = BackupFile.dated(path, "corrupt", at: milliseconds)
        for number in 1...1_000 {
            let name = (number == 1 ? base : "\(base)-\(number)") + "-wal"
            do {
                try KeptDamage.copyBeside(log, to: name, Cancellation())
                try syncFolder(of: path)
                return name
            } catch StoreError.exists {
                continue
            }
        }
        throw StoreError.exists(path: base)
    }

    /// Whether a copy beside the database begins as the log does: its salts are drawn anew for each run.
    private static func isKept(_ log: String, of path: String) -> Bool {
        guard let header = header(log) else { return false }
        let real = WriteLock.realPath(path)
        let prefix = (real.split(separator: "/").last.map(String.init) ?? "") + ".corrupt-"
        let folder = TemporaryStore.folder(of: real)
        return Leftover.names(in: folder, from: prefix).contains {
            $0.hasSuffix("-wal") && Self.header("\(folder)/\($0)") == header
        }
    }

    private static func header(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return LogFormat.bytes(descriptor, at: 0, count: LogFormat.headerBytes)
    }
}
