import CSQLite

extension Connection {
    /// Makes `target` hold, page for page, what this connection sees, in one transaction there: all of it or nothing.
    ///
    /// Inside a read transaction of this connection it is that transaction's view that is copied, whatever others commit
    /// meanwhile: without one, each of their commits would have SQLite begin anew, and a busy writer would never let it
    /// end.
    ///
    /// - Parameter progress: called between steps with the pages that are done and all there are; what it throws ends
    ///   the copy, and `target` is as it was.
    func copyPages(to target: Connection, progress: (_ done: Int, _ total: Int) throws -> Void) throws {
        guard let copy = sqlite3_backup_init(target.handle, "main", handle, "main") else {
            throw target.failure(sqlite3_errcode(target.handle), "copy pages")
        }
        var code = SQLITE_OK
        do {
            repeat {
                code = sqlite3_backup_step(copy, Self.pagesPerStep)
                let total = Int(sqlite3_backup_pagecount(copy))
                try progress(total - Int(sqlite3_backup_remaining(copy)), total)
            } while code == SQLITE_OK
        } catch {
            sqlite3_backup_finish(copy)
            throw error
        }
        let end = sqlite3_backup_finish(copy)
        guard code == SQLITE_DONE, end == SQLITE_OK else {
            throw target.failure(code == SQLITE_DONE ? end : code, "copy pages")
        }
    }

    /// 4 MiB: a few milliseconds between two looks at whether to stop.
    private static let pagesPerStep: Int32 = 1_024

    /// Runs `body`, whose statements end with `SQLITE_INTERRUPT` soon after `cancellation` was asked for.
    func interruptible<Result>(by cancellation: Cancellation, _ body: () throws -> Result) throws -> Result {
        sqlite3_progress_handler(
            handle, 20_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<Cancellation>.fromOpaque(context).takeUnretainedValue().isRequested ? 1 : 0
            }, Unmanaged.passUnretained(cancellation).toOpaque())
        defer { sqlite3_progress_handler(handle, 0, nil, nil) }
        return try withExtendedLifetime(cancellation, body)
    }
}
