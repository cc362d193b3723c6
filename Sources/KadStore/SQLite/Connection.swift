import CSQLite

/// One SQLite connection and its prepared statements. Not `Sendable`: whoever holds it is alone with it.
///
/// Opened without SQLite's own mutexes (`SQLITE_OPEN_NOMUTEX`): exclusion is ours.
final class Connection {
    enum Access {
        case readWrite
        case create
        case readOnly
        /// For a cleanly closed file in a folder that cannot be written: no log, no locks.
        case immutable
        /// For one that was not closed cleanly, in such a folder: its log is read, without an index beside it.
        case unlocked
        /// A database that is nowhere.
        case memory
    }

    let path: String
    let handle: OpaquePointer
    private let busyWait: BusyWait
    /// What ``require(_:)`` was told.
    private var writeLock: WriteLock?
    private var statements: [StaticString.Identity: Statement] = [:]
    /// Whether the log's name is known to be on the medium.
    var isNameSynced = false
    private var begin = PreparedOnce()
    private var commit = PreparedOnce()
    /// Pages in the log after the last commit of this connection, kept up to date by SQLite's hook.
    private let frames: UnsafeMutablePointer<Int32>

    init(path: String, access: Access, waitMilliseconds: Int = 5_000) throws(SQLiteError) {
        self.path = path
        if access != .memory, let obstacle = DatabaseFiles.obstacle(of: path) {
            throw SQLiteError(code: SQLiteError.obstructed, message: obstacle, statement: "open \(path)")
        }
        // SQLite gives names like ":memory:" and "file:..." meanings of their own: here they are names of files.
        let path = path.hasPrefix("/") ? path : "./" + path
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var name = path
        switch access {
        case .readWrite: flags |= SQLITE_OPEN_READWRITE
        case .create: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        case .readOnly: flags |= SQLITE_OPEN_READONLY
        case .immutable:
            flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
            name = Self.immutableURI(path)
        case .unlocked: flags |= SQLITE_OPEN_READONLY
        case .memory:
            flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY
            name = ":memory:"
        }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(name, &opened, flags, access == .unlocked ? "unix-none" : nil)
        guard code == SQLITE_OK, let opened else {
            let error = Self.error(code, opened, "open \(path)")
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
        frames = .allocate(capacity: 1)
        frames.initialize(to: 0)
        busyWait = BusyWait(limitMilliseconds: waitMilliseconds)
        busyWait.install(on: handle)
        _ = kadstore_set_defensive(handle)
        countLogFrames()
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Self.maximumLength)
        sqlite3_limit(handle, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, Self.maximumPattern)
        try defineSeals()
        if access == .readWrite, WriteLock.isLogDoubtful(path) { doubtLog() }
        // The log's index is then in memory, where it can be made without a file.
        if access == .unlocked { try execute("PRAGMA locking_mode = EXCLUSIVE") }
    }

    deinit {
        statements = [:]
        begin = PreparedOnce()
        commit = PreparedOnce()
        sqlite3_close_v2(handle)
        frames.deallocate()
    }

    /// The most bytes of a value or row. Rows of ours come nowhere near it (64 addresses of at most 1 KiB, 128 names); a file that was
    /// made to exhaust memory does.
    private static let maximumLength: Int32 = 4 << 20

    /// Bytes of a pattern: the time to match one grows with a power of its length.
    private static let maximumPattern: Int32 = 64

    /// Whether SQLite opened the file for reading only, although it was asked for more.
    var isReadOnly: Bool { sqlite3_db_readonly(handle, "main") == 1 }

    private static func immutableURI(_ path: String) -> String {
        var escaped = "file:"
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"):
                let digits = Array("0123456789abcdef")
                escaped += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            default: escaped.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return escaped + "?immutable=1"
    }
}

extension Connection {
    static func error(
        _ code: Int32, _ handle: OpaquePointer?, _ statement: String, waitedMilliseconds: Int = 0
    ) -> SQLiteError {
        guard let handle else {
            return SQLiteError(code: code, message: String(cString: sqlite3_errstr(code)), statement: statement)
        }
        noteFailure(code, of: handle)
        return SQLiteError(
            code: code, message: String(cString: sqlite3_errmsg(handle)), statement: statement,
            systemError: sqlite3_system_errno(handle), waitedMilliseconds: waitedMilliseconds)
    }

    /// What went wrong when `statement` returned `code`.
    func failure(_ code: Int32, _ statement: String) -> SQLiteError {
        Self.error(code, handle, statement, waitedMilliseconds: busyWait.waitedMilliseconds)
    }

    /// Runs one or more statements that return nothing of interest.
    func execute(_ sql: String) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    /// The statement for a literal, prepared at its first use and kept.
    ///
    /// - Parameter sealed: the table whose whole rows it writes; see ``Statement``.
    func statement(_ sql: StaticString, sealing sealed: SealedTable? = nil) throws(SQLiteError) -> Statement {
        if let prepared = statements[sql.identity] {
            prepared.forgetSeal()
            return prepared
        }
        let prepared = try Statement(handle, sql.description, busyWait, persistent: true, sealing: sealed)
        statements[sql.identity] = prepared
        return prepared
    }

    /// Prepares a statement for one use.
    func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        try Statement(handle, sql, busyWait, persistent: false)
    }

    /// Rows changed by the last statement.
    var changes: Int { Int(sqlite3_changes64(handle)) }

    /// Pages that were not in the cache when they were asked for.
    var cacheMisses: Int32 {
        var current: Int32 = 0
        var peak: Int32 = 0
        sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_MISS, &current, &peak, 0)
        return current
    }

    /// Whether a transaction is open.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// A number that changes whenever another connection has committed.
    func dataVersion() throws(SQLiteError) -> Int64 { try integer("PRAGMA data_version") }

    /// The first column of the first row, or 0.
    func integer(_ sql: StaticString) throws(SQLiteError) -> Int64 {
        let query = try statement(sql)
        defer { query.reset() }
        return try query.step() ? query.int64(0) : 0
    }

    /// The number of a row that is about to be inserted: a seal is over the number too, so it must be known before.
    ///
    /// - Parameter highest: asks for the highest number that there is, 0 in an empty table.
    func nextNumber(after highest: StaticString) throws(SQLiteError) -> Int64 {
        let highest = max(0, try integer(highest))
        // As SQLite does: beyond the last number any may be free.
        return highest < .max ? highest + 1 : Int64.random(in: 1 ..< .max)
    }

    /// Runs `body` in a read transaction: one view of the database.
    func readTransaction<Result>(_ body: () throws -> Result) throws -> Result {
        try transaction(begin.prepared(self, "BEGIN"), body)
    }

    /// Runs `body` in the transaction that is open, or in a read transaction.
    func inOneView<Result>(_ body: () throws -> Result) throws -> Result {
        isInTransaction ? try body() : try readTransaction(body)
    }

    /// Runs `body` in a write transaction.
    func writeTransaction<Result>(_ body: () throws -> Result) throws -> Result {
        try transaction(statement("BEGIN IMMEDIATE"), body)
    }

    /// Runs `body` between `begin` and COMMIT, and rolls back when it throws.
    private func transaction<Result>(_ begin: Statement, _ body: () throws -> Result) throws -> Result {
        try begin.run()
        do {
            let result = try body()
            try commit.prepared(self, "COMMIT").run()
            return result
        } catch {
            // SQLite may have rolled back by itself (full disk, I/O error): then there is nothing left to undo.
            if isInTransaction { try? statement("ROLLBACK").run() }
            throw error
        }
    }

    /// Has SQLite count the pages of the log. The hook takes the place of automatic checkpoints, which would run outside of
    /// the write lock: on every connection, from its first moment. `PRAGMA wal_autocheckpoint` would put them back.
    private func countLogFrames() {
        sqlite3_wal_hook(
            handle,
            { context, _, _, count in
                context?.assumingMemoryBound(to: Int32.self).pointee = count
                return SQLITE_OK
            }, frames)
    }

    /// Pages in the log after the last commit of this connection.
    var logFrames: Int { Int(frames.pointee) }

    /// Sees to it that this connection commits and checkpoints under a lock only: a commit without it is rolled back, a
    /// checkpoint refused. That they are never tried without it is for the callers; this is what tests and users rely on.
    func require(_ lock: WriteLock) {
        writeLock = lock
        sqlite3_commit_hook(
            handle,
            { context in
                guard let context else { return 1 }
                return Unmanaged<WriteLock>.fromOpaque(context).takeUnretainedValue().isHeld ? 0 : 1
            }, Unmanaged.passUnretained(lock).toOpaque())
    }

    /// Moves log pages into the database file as far as readers allow, without waiting for anyone.
    ///
    /// - Returns: pages in the log and, of them, those that are in the file now; both 0 when the log was emptied.
    @discardableResult
    func checkpoint(truncating: Bool) throws -> (log: Int, moved: Int) {
        guard writeLock?.isHeld != false else {
            throw SQLiteError(code: SQLITE_MISUSE, message: "not under the write lock", statement: "checkpoint")
        }
        // A log with holes on the medium must not be moved.
        if isLogDoubtful { try syncLog() }
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let limit = busyWait.limitMilliseconds
        busyWait.limitMilliseconds = 0
        defer { busyWait.limitMilliseconds = limit }
        var log: Int32 = 0
        var moved: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(handle, nil, mode, &log, &moved)
        guard code & 0xff == SQLITE_OK || code & 0xff == SQLITE_BUSY else { throw failure(code, "checkpoint") }
        return (Int(max(0, log)), Int(max(0, moved)))
    }
}

/// A statement that is needed so often that even finding it costs.
struct PreparedOnce {
    private var statement: Statement?

    mutating func prepared(_ connection: Connection, _ sql: StaticString) throws(SQLiteError) -> Statement {
        if let statement { return statement }
        let prepared = try connection.statement(sql)
        statement = prepared
        return prepared
    }
}

extension StaticString {
    /// Literals are compared by address: one literal in the source is one statement.
    struct Identity: Hashable {
        let address: UInt
    }

    var identity: Identity {
        hasPointerRepresentation ? Identity(address: UInt(bitPattern: utf8Start)) : Identity(address: 0)
    }
}
