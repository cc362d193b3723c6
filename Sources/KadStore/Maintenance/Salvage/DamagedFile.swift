import CSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A database file that SQLite may not understand any more: held alone, and read as bytes.
///
/// Through SQLite's own file, below its pages. A second descriptor would do for reading, but closing it drops the locks that
/// this process's connections have on the file; and only SQLite knows those connections. Nothing is written, and no page is
/// interpreted: neither the file nor its log changes by being looked at.
final class DamagedFile {
    let path: String
    let connection: Connection
    private let file: UnsafeMutablePointer<sqlite3_file>
    private let methods: sqlite3_io_methods

    /// Opens the file and keeps everybody else out until this value goes: whoever has a database open in write-ahead-log mode
    /// holds a shared lock on it.
    ///
    /// - Throws: ``StoreError/inUse(path:holders:waitedMilliseconds:)``.
    init(_ path: String, waitMilliseconds: Int) throws {
        self.path = path
        let connection = try Self.connect(path)
        guard let file = kadstore_file(connection.handle), let methods = file.pointee.pMethods else {
            throw StoreError.system(operation: "open", path: path, code: EIO)
        }
        self.connection = connection
        self.file = file
        self.methods = methods.pointee
        try lock(waitMilliseconds)
    }

    private static func connect(_ path: String) throws -> Connection {
        do {
            return try Connection(path: path, access: .readWrite, waitMilliseconds: 0)
        } catch  where Opened.isForbidden(StoreError.of(error, path: path)) {
            return try Connection(path: path, access: .readOnly, waitMilliseconds: 0)
        }
    }

    /// Whether the file can be read and not be written. It is then only known that nobody is writing it now.
    var isReadOnly: Bool { connection.isReadOnly }

    private func lock(_ waitMilliseconds: Int) throws {
        let start = BusyWait.Uptime.now
        var waited = 0
        while true {
            var code = methods.xLock?(file, SQLITE_LOCK_SHARED) ?? SQLITE_IOERR
            if code == SQLITE_OK, !isReadOnly { code = methods.xLock?(file, SQLITE_LOCK_EXCLUSIVE) ?? SQLITE_IOERR }
            if code == SQLITE_OK { return }
            guard code & 0xff == SQLITE_BUSY else { throw connection.failure(code, "lock") }
            // Others who wait for the same must not be kept out by a lock that is no use.
            _ = methods.xUnlock?(file, SQLITE_LOCK_NONE)
            guard waited < waitMilliseconds else {
                throw StoreError.inUse(path: path, holders: LockHolders.find(path), waitedMilliseconds: waited)
            }
            usleep(UInt32(min(25, waitMilliseconds - waited)) * 1_000)
            waited = start.milliseconds
        }
    }

    /// In bytes.
    var size: Int64 {
        var size: sqlite3_int64 = 0
        guard methods.xFileSize?(file, &size) == SQLITE_OK else { return 0 }
        return max(0, size)
    }

    /// What lies there, zeros behind the end of the file; nil where the medium does not give it.
    func bytes(at offset: Int64, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let code = bytes.withUnsafeMutableBytes {
            methods.xRead?(file, $0.baseAddress, Int32(clamping: count), offset) ?? SQLITE_IOERR
        }
        return code == SQLITE_OK || code == SQLITE_IOERR | (2 << 8) ? bytes : nil
    }

    /// Sees to it that SQLite takes the file's pages for as long as they are: for what the header says, or 4,096 bytes. What
    /// the file held must lie elsewhere.
    ///
    /// - Returns: whether that was changed; the file is then to be opened anew.
    func mendPageBytes(_ count: Int) throws -> Bool {
        let told = DamagedPages.pageBytes(bytes(at: 0, count: 18) ?? []) ?? DamagedPages.usualBytes
        guard told != count, size >= 18 else { return false }
        let number = count == 65_536 ? 1 : count
        let code = [UInt8(number >> 8), UInt8(number & 0xff)].withUnsafeBytes {
            methods.xWrite?(file, $0.baseAddress, 2, 16) ?? SQLITE_IOERR
        }
        guard code == SQLITE_OK else { throw connection.failure(code, "mend the header") }
        return true
    }

    /// Makes the file hold what `source` holds, in one transaction. What it held must lie elsewhere, on the medium.
    ///
    /// Always through the log, so that a log that lies there already can never be taken for one of the new contents, and no
    /// rollback journal is needed beside it. Cut off before the transaction's end, the file holds what it held.
    func replace(by source: Connection, progress: (_ done: Int, _ total: Int) throws -> Void) throws {
        try makeLog(pageBytes: Int(source.integer("PRAGMA page_size")))
        // An empty file has no log for SQLite: it deletes what lies there.
        if size == 0 {
            let zero: [UInt8] = [0]
            let code = zero.withUnsafeBytes { methods.xWrite?(file, $0.baseAddress, 1, 511) ?? SQLITE_IOERR }
            guard code == SQLITE_OK else { throw connection.failure(code, "make room") }
        }
        _ = kadstore_set_resetting(connection.handle, 1)
        try connection.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL")
        try source.copyPages(to: connection, progress: progress)
        _ = kadstore_set_resetting(connection.handle, 0)
        try connection.execute("PRAGMA journal_mode = WAL")
        try connection.checkpoint(truncating: true)
    }

    /// Where there is no log, an empty one: SQLite takes a file of no bytes for none, and would keep a rollback journal instead.
    private func makeLog(pageBytes: Int) throws {
        let path = DatabaseFiles.log(of: path)
        guard fileSize(path) < LogFormat.headerBytes else { return }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StoreError.system(operation: "open the log", path: path, code: errno) }
        defer { close(descriptor) }
        let bytes = LogFormat.empty(pageBytes: pageBytes, salt: .random(in: 0 ... .max))
        let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == bytes.count, fsync(descriptor) == 0 else {
            throw StoreError.system(operation: "write the log", path: path, code: errno)
        }
        try syncFolder(of: path)
    }
}
