#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The one lock for write transactions and checkpoints of a store, among all processes: `flock` on `<database>-lock`.
///
/// SQLite serialises writers by itself. What it does not do before 3.51.3 is to keep a checkpoint from starting while
/// another connection's commit resets the log: pages of that commit can be lost later. With every kadstore process
/// holding this lock for both, the two cannot meet. Foreign programs that write the file do not take it.
///
/// One checkpoint runs without it: SQLite's own, when the last connection to a file closes. It begins with the exclusive
/// lock on the database file, which every other connection in write-ahead-log mode bars with the shared lock that it holds
/// from its first read until it closes. So nobody can commit while it runs, and who comes meanwhile waits.
///
/// Whoever has waited longest goes next (``LockQueue``): a bulk load, which gives the lock back for a moment between two of
/// its transactions, starves nobody.
final class WriteLock {
    let path: String
    let descriptor: Int32
    /// Whether whoever has this object has the lock.
    private(set) var isHeld = false

    init(database: String) throws(StoreError) {
        let real = Self.realPath(database)
        path = real + "-lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw StoreError.system(operation: "open the lock file", path: path, code: errno)
        }
        // As SQLite does it for its log: what root leaves beside another user's store must not keep him out of it.
        var store = stat()
        if geteuid() == 0, stat(real, &store) == 0, store.st_uid != 0 {
            _ = fchown(descriptor, store.st_uid, store.st_gid)
        }
    }

    deinit { close(descriptor) }

    /// Of a symbolic link, what it leads to, as SQLite does it for its log: one file, one lock, whatever it is called.
    static func realPath(_ path: String) -> String {
        var status = stat()
        // Another name stays as it is: it is what messages show.
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return path }
        return absolute(path)
    }

    /// The one name of what is there; `path` where nothing is.
    static func absolute(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    /// Runs `body` while this process alone may write.
    ///
    /// - Parameter waitMilliseconds: how long to wait for others, by a clock that nobody sets; 0 asks once.
    /// - Throws: ``StoreError/locked(path:holders:waitedMilliseconds:)`` and what `body` throws.
    func withLock<Result>(waitMilliseconds: Int, _ body: () throws -> Result) throws -> Result {
        try take(waitMilliseconds)
        isHeld = true
        defer {
            isHeld = false
            flock(descriptor, LOCK_UN)
        }
        do {
            return try body()
        } catch {
            if Connection.isFailedSync(error) { isLogDoubtful = true }
            throw error
        }
    }

    /// Polled rather than waited for, because `flock` knows no time limit.
    private func take(_ waitMilliseconds: Int) throws(StoreError) {
        var queue = LockQueue(descriptor)
        if waitMilliseconds <= 0 || queue.isMyTurn, try isFree() { return }
        let start = BusyWait.Uptime.now
        while true {
            let left = waitMilliseconds - start.milliseconds
            guard left > 0 else {
                queue.leave()
                // What it takes to find out who has it is no waiting.
                let waited = min(start.milliseconds, max(0, waitMilliseconds))
                throw .locked(path: path, holders: LockHolders.find(path, .flock), waitedMilliseconds: waited)
            }
            let isFirst = queue.wait()
            usleep(UInt32(min(left, isFirst ? Self.firstPause : Self.pause)) * 1_000)
            if queue.isMyTurn, try isFree() { return queue.leave() }
        }
    }

    private func isFree() throws(StoreError) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK || errno == EINTR else {
            throw .system(operation: "lock", path: path, code: errno)
        }
        return false
    }

    /// Between two attempts of who is next, and of those behind, in milliseconds.
    static let firstPause = 1
    static let pause = 10
}
