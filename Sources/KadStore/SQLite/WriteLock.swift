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
final class WriteLock {
    let path: String
    let descriptor: Int32

    init(database: String) throws(StoreError) {
        path = Self.realPath(database) + "-lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw StoreError.system(operation: "open the lock file", path: path, code: errno)
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
    /// Polled rather than waited for, because `flock` knows no time limit: 1 ms at first, 25 ms at most.
    func withLock<Result>(waitMilliseconds: Int, _ body: () throws -> Result) throws -> Result {
        var delay: UInt32 = 1_000
        var waited: UInt64 = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw StoreError.system(operation: "lock", path: path, code: errno)
            }
            guard waited < UInt64(max(0, waitMilliseconds)) * 1_000 else {
                throw StoreError.locked(path: path, waitedMilliseconds: waitMilliseconds)
            }
            usleep(delay)
            waited += UInt64(delay)
            delay = min(delay * 2, 25_000)
        }
        defer { flock(descriptor, LOCK_UN) }
        do {
            return try body()
        } catch {
            if Connection.isFailedSync(error) { isLogDoubtful = true }
            throw error
        }
    }
}
