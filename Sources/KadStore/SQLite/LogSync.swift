import CSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Syncs of the write-ahead log, and what is to be done when one has failed.
///
/// Linux reports a failed sync once, and then counts the pages that it was for as clean: they are in memory, perhaps not
/// on the medium, and the next sync, which has nothing to do for them, succeeds
/// (<https://wiki.postgresql.org/wiki/Fsync_Errors>). SQLite knows nothing of that. A commit that is synced after such a
/// failure would be acknowledged, and lie in the log behind a hole; a checkpoint would overwrite the database with pages
/// that the log on the medium does not have. So after a failed sync of whatever file, nothing is moved or acknowledged
/// before the whole log was written once more, and that was synced.
extension Connection {
    /// Whether a sync of this connection has failed, and the log was not written anew since. Kept where it has the other
    /// effect that it must have: closing the connection then does not move the log.
    var isLogDoubtful: Bool { kadstore_leaves_log(handle, -1) != 0 }

    /// A sync has failed, here or in another process.
    func doubtLog() { _ = kadstore_leaves_log(handle, 1) }

    /// Notes a failed sync.
    static func noteFailure(_ code: Int32, of handle: OpaquePointer) {
        if code == failedSync { _ = kadstore_leaves_log(handle, 1) }
    }

    /// `SQLITE_IOERR_FSYNC`, which is a macro that is not imported.
    private static let failedSync = SQLITE_IOERR | 4 << 8

    static func isFailedSync(_ error: any Error) -> Bool {
        switch error {
        case let error as SQLiteError: error.extendedCode == failedSync
        case StoreError.sqlite(_, let error): error.extendedCode == failedSync
        default: false
        }
    }

    /// Whatever was committed is on the medium when this returns. Outside of transactions, under the lock for writing.
    ///
    /// Not by a commit under `synchronous = FULL`: one that changes no byte, such as of a time stamp within the same
    /// millisecond, writes nothing and syncs nothing.
    func syncLog() throws {
        if isLogDoubtful, kadstore_log_file(handle) != nil {
            // Nobody else writes to the log or begins it anew meanwhile.
            try writeTransaction {
                try rewriteLog()
                try sync()
            }
        } else if !isLogDoubtful {
            try sync()
        }
        // A log that a process left which never synced it may have no name on the medium; only who made it syncs that.
        if !isNameSynced {
            try syncFolder(of: WriteLock.realPath(path))
            isNameSynced = true
        }
        _ = kadstore_leaves_log(handle, 0)
    }

    private func sync() throws(SQLiteError) {
        // In write-ahead-log mode it is open from the first transaction on.
        guard let file = kadstore_log_file(handle) else { throw failure(SQLITE_MISUSE, "sync the log") }
        try check(file.pointee.pMethods.pointee.xSync(file, SQLITE_SYNC_NORMAL), "sync the log")
    }

    /// Writes what the log's pages in memory hold, so that they count as changed. What was written behind a reset is
    /// written too: it does no harm.
    private func rewriteLog() throws(SQLiteError) {
        guard let file = kadstore_log_file(handle) else { return }
        let methods = file.pointee.pMethods.pointee
        var size: sqlite3_int64 = 0
        try check(methods.xFileSize(file, &size), "read the log")
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Int(Self.rewritten), alignment: 16)
        defer { buffer.deallocate() }
        var offset: sqlite3_int64 = 0
        while offset < size {
            let count = Int32(min(Self.rewritten, size - offset))
            try check(methods.xRead(file, buffer, count, offset), "read the log")
            try check(methods.xWrite(file, buffer, count, offset), "write the log anew")
            offset += sqlite3_int64(count)
        }
    }

    /// Bytes at a time: SQLite's Unix files take less than 128 KiB.
    private static let rewritten: sqlite3_int64 = 1 << 16

    /// Of what a file's own methods return the connection knows nothing.
    private func check(_ code: Int32, _ what: String) throws(SQLiteError) {
        let fault = errno
        guard code != SQLITE_OK else { return }
        Self.noteFailure(code, of: handle)
        throw SQLiteError(
            code: code, message: String(cString: sqlite3_errstr(code)), statement: what, systemError: fault)
    }
}

extension WriteLock {
    /// Whether a sync of the store has failed in some process, and its log was not written anew since. It outlives the process:
    /// whoever comes next finds in the log what that process could not sync. As a byte of the
    /// lock file behind the queue's mark, a hole, which takes no room on a full device; a loss of power, which may take it, leaves
    /// no log that differs from the medium either.
    var isLogDoubtful: Bool {
        get {
            var status = stat()
            return fstat(descriptor, &status) == 0 && Int64(status.st_size) > Self.markBytes
        }
        set { _ = ftruncate(descriptor, off_t(newValue ? Self.markBytes + 1 : Self.markBytes)) }
    }

    /// Whether it says so of a database, for those who have no lock.
    static func isLogDoubtful(_ database: String) -> Bool { fileSize(realPath(database) + "-lock") > markBytes }

    private static let markBytes = Int64(LockQueue.byteCount)

    /// Has the log written anew where a sync has failed. Under the lock.
    func settle(_ connection: Connection) throws {
        if connection.isLogDoubtful {
            isLogDoubtful = true
        } else if isLogDoubtful {
            connection.doubtLog()
        } else {
            return
        }
        try connection.syncLog()
        isLogDoubtful = false
    }
}
