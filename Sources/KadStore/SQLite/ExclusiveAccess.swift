#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file to oneself: for what no other connection may live through.
enum ExclusiveAccess {
    /// Opens the only connection that there is to a file, and keeps all others out until it is closed.
    ///
    /// A connection in write-ahead-log mode holds a shared lock on the file from its first read until it is closed, in
    /// every program and in this process. `locking_mode = EXCLUSIVE` before the first read has SQLite ask for the
    /// exclusive lock instead of opening the log's index: it gets it only where nobody holds a shared one, and whoever
    /// comes later gets none. (In another journal mode connections hold locks only inside transactions: an idle one is not
    /// seen, but then it caches nothing of the file either. Every store is in write-ahead-log mode.)
    ///
    /// - Parameter isPointless: asked whenever the file was busy; true gives up, without an error.
    /// - Throws: ``StoreError/inUse(path:holders:waitedMilliseconds:)`` when others have it open all the time.
    static func open(
        _ path: String, waitMilliseconds: Int, unless isPointless: () throws -> Bool = { false }
    ) throws -> Connection? {
        let start = BusyWait.Uptime.now
        while true {
            // A new connection each time: one that failed would go on holding its shared lock against others who wait.
            if let connection = try attempt(path) { return connection }
            if try isPointless() { return nil }
            let waited = start.milliseconds
            guard waited < waitMilliseconds else {
                throw StoreError.inUse(path: path, holders: LockHolders.find(path), waitedMilliseconds: waited)
            }
            usleep(UInt32(min(25, waitMilliseconds - waited)) * 1_000)
        }
    }

    private static func attempt(_ path: String) throws -> Connection? {
        let connection = try Connection(path: path, access: .readWrite, waitMilliseconds: 0)
        guard !connection.isReadOnly else { throw StoreError.readOnly(path: path) }
        do {
            // The lock outlives the transaction: that is what the mode is for.
            try connection.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        } catch let error where error.code == 5 {
            return nil
        }
        try connection.execute("PRAGMA mmap_size = 0")
        return connection
    }
}

/// Who has a file locked, as far as the system tells.
enum LockHolders {
    enum Kind {
        /// Any of the locks that SQLite takes, for reading or writing.
        case any
        /// One for writing among them.
        case writing
        /// That of `flock`, which ``WriteLock`` takes.
        case flock

        fileprivate func matches(_ fields: [Substring]) -> Bool {
            switch self {
            case .any: fields[1] == "POSIX"
            case .writing: fields[1] == "POSIX" && fields[3] == "WRITE"
            case .flock: fields[1] == "FLOCK"
            }
        }
    }

    /// The processes, in ascending order; empty where the system does not say.
    ///
    /// From Linux's table of locks rather than by `F_GETLK`, which needs the file opened: closing it again would drop the
    /// locks of this process's own connections. Locks that come and go while the table is read may hide others: it is read
    /// in large pieces, and again where it names nobody.
    static func find(_ path: String, _ kind: Kind = .any) -> [Int32] {
        #if os(Linux)
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        for _ in 0..<3 {
            let holders = read(status, kind)
            if !holders.isEmpty { return holders.sorted() }
        }
        #endif
        return []
    }

    #if os(Linux)
    private static func read(_ status: stat, _ kind: Kind) -> Set<Int32> {
        guard let table = fopen("/proc/locks", "re") else { return [] }
        defer { fclose(table) }
        setvbuf(table, nil, _IOFBF, 1 << 16)
        // "1: POSIX  ADVISORY  READ 1234 08:01:131 1073741826 1073742335"
        var holders: Set<Int32> = []
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), table) != nil {
            let bytes = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            let fields = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            guard fields.count >= 6, kind.matches(fields), let process = Int32(fields[4]), process > 0 else { continue }
            let place = fields[5].split(separator: ":")
            guard place.count == 3, UInt64(place[2]) == UInt64(status.st_ino),
                let major = UInt32(place[0], radix: 16), let minor = UInt32(place[1], radix: 16),
                (UInt64(major), UInt64(minor)) == split(UInt64(status.st_dev))
            else { continue }
            holders.insert(process)
        }
        return holders
    }

    /// Major and minor number of a device, as Linux packs them.
    private static func split(_ device: UInt64) -> (UInt64, UInt64) {
        ((device >> 8) & 0xfff | (device >> 32) & ~0xfff, device & 0xff | (device >> 12) & ~0xff)
    }
    #endif
}
