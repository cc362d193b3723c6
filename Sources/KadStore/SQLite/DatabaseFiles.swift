#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The size of a file in bytes, 0 when there is none. Asks the folder, never opens the file: closing it again would drop
/// SQLite's locks.
func fileSize(_ path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
}

/// What lies beside a database. Beside the file itself, that is: where its name is a symbolic link, beside what the link
/// leads to, which is where SQLite keeps it.
enum DatabaseFiles {
    /// What the names of the others end with: log, index of the log, rollback journal, lock for writing.
    static let companions = ["-wal", "-shm", "-journal", "-lock"]

    /// What stands where SQLite keeps its own and cannot be that: a thing that is no regular file (it would read a pipe for
    /// ever, and write through a link), or a file of somebody who may not write the database. He would read what goes into the
    /// log, change it, or hold the lock. Root may, and whoever this process runs as.
    static func obstacle(of database: String) -> String? {
        let real = WriteLock.realPath(database)
        var store = stat()
        let isThere = stat(real, &store) == 0
        let isShared = isThere && store.st_mode & (S_IWGRP | S_IWOTH) != 0
        var status = stat()
        return companions.lazy.map { real + $0 }.first { path in
            guard lstat(path, &status) == 0 else { return false }
            guard status.st_mode & S_IFMT == S_IFREG else { return true }
            let owners = [0, geteuid()] + (isThere ? [store.st_uid] : [])
            return !isShared && !owners.contains(status.st_uid)
        }
    }

    /// The write-ahead log.
    static func log(of database: String) -> String { WriteLock.realPath(database) + "-wal" }
}

extension Store {
    /// The files that belong to a database, whether they are there or not. A process that has it open must not open and
    /// close any of them in another way: that drops SQLite's locks.
    package static func files(of database: String) -> [String] {
        let real = WriteLock.realPath(database)
        return [database] + DatabaseFiles.companions.map { real + $0 }
    }
}
