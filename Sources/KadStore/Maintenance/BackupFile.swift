#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A database file in a folder where another will be: gone with this value, and all that SQLite and the store keep beside it.
struct TemporaryStore: ~Copyable {
    private let name: ScratchName
    var path: String { name.path }

    /// Makes an empty file, for its owner alone.
    init(beside other: String) throws(StoreError) {
        let name = try Self.name(beside: other)
        let descriptor = open(name.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure(errno, other) }
        close(descriptor)
        self.name = name
    }

    private static func name(beside other: String) throws(StoreError) -> ScratchName {
        do throws(ScratchName.Fault) {
            return try ScratchName(in: folder(of: other))
        } catch {
            throw failure(error.code, other)
        }
    }

    private static func failure(_ code: Int32, _ path: String) -> StoreError {
        code == ENOSPC || code == EDQUOT
            ? .diskFull(path: path) : .system(operation: "create the file", path: path, code: code)
    }

    /// A database of which nothing is to stay, in the folder for temporary files.
    static func elsewhere() throws(StoreError) -> TemporaryStore {
        let (descriptor, place) = try TemporaryFile.create(named: "kadstore")
        close(descriptor)
        defer { unlink(place) }
        return try TemporaryStore(beside: place)
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Where a copy of a store goes: written beside under a name of its own, and given its name only when it is whole and on
/// the medium. Whatever happens before leaves nothing.
struct BackupFile: ~Copyable {
    /// The name that it gets.
    let path: String
    private let file: TemporaryStore
    private let isReplacing: Bool
    private let database: String

    /// Where it is until then.
    var temporary: String { file.path }

    /// Makes an empty file beside `path`, for its owner alone.
    ///
    /// - Parameter database: what is copied, and is not to be replaced under any name.
    /// - Throws: ``StoreError``: `exists`, `notReplaceable`, `system`.
    init(_ path: String, replacing: Bool, database: String) throws(StoreError) {
        try Self.judge(path, replacing: replacing, database: database)
        let file = try TemporaryStore(beside: path)
        self.file = file
        self.path = path
        isReplacing = replacing
        self.database = database
    }

    /// A copy under `path`, or, where there is something already, under that and a number: what was killed a moment ago
    /// may have left a copy of the same second.
    static func numbered(_ path: String, database: String) throws(StoreError) -> BackupFile {
        for number in 1...1_000 {
            let name = number == 1 ? path : "\(path)-\(number)"
            var status = stat()
            if lstat(name, &status) == 0 { continue }
            return try BackupFile(name, replacing: false, database: database)
        }
        throw .exists(path: path)
    }

    /// Gives the file its name. Nobody may be connected to it any more: it is opened to be synced, and closing it drops
    /// SQLite's locks.
    ///
    /// - Throws: ``StoreError``: what ``init(_:replacing:database:)`` throws, where things have changed since; `diskFull`.
    func commit() throws(StoreError) {
        let descriptor = open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .system(operation: "open the copy", path: path, code: errno) }
        let isSynced = fsync(descriptor) == 0
        let fault = errno
        close(descriptor)
        guard isSynced else {
            throw fault == ENOSPC || fault == EDQUOT
                ? .diskFull(path: path) : .system(operation: "sync the copy", path: path, code: fault)
        }
        if isReplacing {
            // Once more: the copy took its time, and who has opened what is there meanwhile would go on with its log beside
            // the new file.
            try Self.judge(path, replacing: true, database: database)
            // A log that is gone must not come back beside the new file, which would be overwritten with it.
            try syncFolder(of: path)
            guard rename(temporary, path) == 0 else { throw .system(operation: "rename", path: path, code: errno) }
        } else {
            try appear()
        }
        try syncFolder(of: path)
    }

    /// A second name is refused where there is a file, whoever made it a moment ago; renaming would replace it. File
    /// systems without second names are asked before.
    private func appear() throws(StoreError) {
        if link(temporary, path) == 0 { return }
        switch errno {
        case EEXIST: throw .exists(path: path)
        case EPERM, ENOTSUP, EOPNOTSUPP, EMLINK, ENOSYS:
            var status = stat()
            guard lstat(path, &status) != 0 else { throw .exists(path: path) }
            guard rename(temporary, path) == 0 else { throw .system(operation: "rename", path: path, code: errno) }
        default: throw .system(operation: "name the copy", path: path, code: errno)
        }
    }

    // MARK: What may be written

    private static func judge(_ path: String, replacing: Bool, database: String) throws(StoreError) {
        let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard !name.isEmpty, name != ".", name != "..", !path.utf8.contains(0) else {
            throw .invalidArgument("'\(path)' is not the name of a file.")
        }
        let folder = WriteLock.absolute(TemporaryStore.folder(of: path))
        let source = WriteLock.absolute(database)
        for own in [""] + DatabaseFiles.companions
        where "\(folder)/\(name)" == source + own || isSame(path, source + own) {
            throw .invalidArgument("\(path) is the database itself, or a part of it: name another file.")
        }
        for part in DatabaseFiles.companions where path.hasSuffix(part) {
            guard access(String(path.dropLast(part.count)), F_OK) != 0 else {
                throw .notReplaceable(
                    path: path, reason: "it would be taken for a part of \(path.dropLast(part.count))")
            }
        }
        // A name that leaves no room for those of the log and the lock could be written, and never opened.
        var status = stat()
        if lstat(path + "-journal", &status) != 0, errno == ENAMETOOLONG {
            throw .system(operation: "create the file", path: path, code: errno)
        }
        let exists = lstat(path, &status) == 0
        if exists {
            guard replacing else { throw .exists(path: path) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw .notReplaceable(path: path, reason: "it is not a regular file")
            }
            try closeDatabase(path)
        }
        // Whoever opens the copy would take these for its own: a log that is found is replayed.
        for companion in ["-wal", "-journal"] where lstat(path + companion, &status) == 0 {
            guard !exists || companion == "-journal" || status.st_size > 0 else { continue }
            throw .notReplaceable(
                path: path, reason: "there is a \(name)\(companion), what is left of a database of this name")
        }
    }

    /// Where a database is to be replaced: makes sure that nobody has it open, who would go on with its log beside the new
    /// file, and takes in what a process that died left in the log.
    private static func closeDatabase(_ path: String) throws(StoreError) {
        do {
            let alone = try ExclusiveAccess.open(path, waitMilliseconds: 0)
            // The index of the log that there was: it is made anew by whoever opens the new file.
            try withExtendedLifetime(alone) {
                // Closing would do it, and say nothing of a failure.
                try alone?.checkpoint(truncating: true)
                _ = unlink(path + "-shm")
            }
        } catch {
            switch StoreError.of(error, path: path) {
            // No database: nobody can have it open as one. A damaged one: nobody works with it. Of one that cannot be
            // read now (SQLITE_IOERR) neither is known.
            case .notAStore, .corrupt: return
            case .sqlite(_, let error) where error.code != 10: return
            case let error: throw error
            }
        }
    }

    static func isSame(_ left: String, _ right: String) -> Bool {
        var first = stat()
        var second = stat()
        guard stat(left, &first) == 0, stat(right, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// A name beside `database` that says when: `peers.db.before-restore-20250131T123000Z`.
    static func dated(_ database: String, _ what: String, at milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1_000)
        var date = tm()
        gmtime_r(&seconds, &date)
        func digits(_ value: Int32, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        return "\(database).\(what)-\(digits(date.tm_year + 1900, 4))\(digits(date.tm_mon + 1, 2))"
            + "\(digits(date.tm_mday, 2))T\(digits(date.tm_hour, 2))\(digits(date.tm_min, 2))\(digits(date.tm_sec, 2))Z"
    }
}
