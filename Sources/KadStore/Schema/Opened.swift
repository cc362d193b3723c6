import Dispatch
import Kademlia

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Everything that opening a file yields, made on the store's queue.
struct Opened: Sendable {
    let path: String
    let header: FileHeader
    let readers: ReaderPool
    let writer: Writer?
    let pending: PendingWrites

    init(_ path: String, _ mode: OpenMode, _ options: StoreOptions, _ queue: DispatchQueue) throws(StoreError) {
        self.path = path
        pending = PendingWrites(limit: options.queueLimit, byteLimit: options.queueBytes)
        switch mode {
        case .readOnly:
            (header, readers) = try Self.openForReading(path, options)
            writer = nil
        case .readWrite: (header, readers, writer) = try Self.openForWriting(path, nil, options, queue, pending)
        case .create(let network, let scope):
            let birth = Birth(network: network, scope: scope, now: options.now(), salt: options.salt ?? Self.salt())
            try Self.createPrivately(path)
            (header, readers, writer) = try Self.openForWriting(path, birth, options, queue, pending)
            guard header.network == network, header.scope == scope else {
                throw .networkMismatch(
                    path: path, expected: "network '\(network.name)' of \(scope) scope",
                    found: "network '\(header.network.name)' of \(header.scope) scope")
            }
        }
    }

    /// Creates the file for its owner alone, before SQLite does it for everybody. Exclusively: a file that exists is not
    /// opened, because closing it again would drop the locks of this process's connections to it.
    static func createPrivately(_ path: String) throws(StoreError) {
        // A name that leaves no room for those of the log and the lock would be found out after there is a file.
        var status = stat()
        if lstat(path + "-journal", &status) != 0, errno == ENAMETOOLONG {
            throw .system(operation: "create the store", path: path, code: errno)
        }
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            close(descriptor)
            // Its own sync would not make its name durable.
            try syncFolder(of: path)
        } else if errno != EEXIST {
            throw .system(operation: "create the store", path: path, code: errno)
        }
    }

    /// 32 secret bytes of the system's generator.
    static func salt() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    private static func openForWriting(
        _ path: String, _ birth: Birth?, _ options: StoreOptions, _ queue: DispatchQueue,
        _ pending: PendingWrites
    ) throws(StoreError) -> (FileHeader, ReaderPool, Writer) {
        try requireFile(path)
        return try StoreError.mapping(path) {
            let keptLog = try KeptLog.keep(path, at: options.now().milliseconds)
            var (connection, kind) = try Self.connect(path, options)
            let lock = try WriteLock(database: path)
            if lock.isLogDoubtful, let connection {
                try lock.withLock(waitMilliseconds: options.waitMilliseconds) { try lock.settle(connection) }
            }
            var upgradedFrom: Int?
            if case .store(let version) = kind, version < Migrator.latest {
                // An upgrade needs the file alone: this connection must not be in its own way.
                upgradedFrom = try Upgrade.automatic(path, from: version, options, lock, closing: &connection)
                (connection, kind) = try Self.connect(path, options)
            }
            guard let connection else { throw StoreError.closed }
            let migrator = Migrator(connection: connection, path: path)
            if try kind == .empty || connection.journalMode() != "wal" {
                try migrator.create(birth, now: options.now(), lock: lock, wait: options.waitMilliseconds)
            } else {
                try migrator.verify(through: Migrator.latest)
            }
            try connection.execute(
                """
                PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA mmap_size = 0;
                PRAGMA cache_size = -\(options.cacheKibibytes)
                """)
            var header = try FileHeader(connection, path: path)
            header.upgradedFrom = upgradedFrom
            header.keptLog = keptLog
            let writer = try Writer(
                queue: queue, reader: RecordReader(connection, network: header.network), lock: lock, pending: pending,
                peerCap: header.peerCap, options: options)
            let readers = try ReaderPool(
                path: path, access: .readWrite, network: header.network, options: options)
            return (header, readers, writer)
        }
    }

    private static func connect(
        _ path: String, _ options: StoreOptions
    ) throws -> (Connection?, Migrator.FileKind) {
        let connection = try Connection(
            path: path, access: .readWrite, waitMilliseconds: options.waitMilliseconds)
        // Without permission SQLite opens a file for reading instead, and would say so at the first commit.
        guard !connection.isReadOnly else { throw StoreError.readOnly(path: path) }
        return (connection, try Migrator(connection: connection, path: path).inspect())
    }

    private static func openForReading(
        _ path: String, _ options: StoreOptions
    ) throws(StoreError) -> (FileHeader, ReaderPool) {
        try requireFile(path)
        // A connection that could write (and is told not to) tidies the index away when it is the last one to close; one that
        // may only read leaves the log as it is, also what SQLite cannot reach in it.
        if !options.leavesFilesAlone, fileSize(DatabaseFiles.log(of: path)) == 0 {
            do {
                return try openForReading(path, .readWrite, options)
            } catch  where Self.isForbidden(error) {}
        }
        do {
            return try openForReading(path, .readOnly, options)
        } catch  where Self.isForbidden(error) {
            return try openForReading(path, accessWithoutFolder(path), options)
        }
    }

    /// How to read a file whose folder cannot take the log's index. Nobody can be writing there; but what an unfinished log
    /// holds must not be ignored.
    static func accessWithoutFolder(_ path: String) -> Connection.Access {
        fileSize(DatabaseFiles.log(of: path)) == 0 ? .immutable : .unlocked
    }

    /// Whether SQLite could not open the file, or not for writing, although it is there.
    static func isForbidden(_ error: StoreError) -> Bool {
        switch error {
        // What SQLite then does not find is the log's index; on a full device it cannot be made, so nobody has one open.
        case .readOnly, .system, .notFound, .diskFull: true
        case .sqlite(_, let error): error.code == 14
        default: false
        }
    }

    private static func openForReading(
        _ path: String, _ access: Connection.Access, _ options: StoreOptions
    ) throws(StoreError) -> (FileHeader, ReaderPool) {
        try StoreError.mapping(path) {
            let connection = try Connection(path: path, access: access, waitMilliseconds: options.waitMilliseconds)
            let migrator = Migrator(connection: connection, path: path)
            switch try migrator.inspect() {
            case .empty: throw StoreError.emptyDatabase(path: path)
            case .store(let version):
                guard version == Migrator.latest else {
                    throw StoreError.olderSchema(path: path, found: version, supported: Migrator.latest)
                }
                try migrator.verify(through: version)
            }
            let header = try FileHeader(connection, path: path)
            let readers = try ReaderPool(
                path: path, access: access, network: header.network, options: options)
            // Until the pool has the file open: in between, an upgrade would believe itself alone.
            return withExtendedLifetime(connection) { (header, readers) }
        }
    }

    /// SQLite says "unable to open" for a missing file, a folder and a lack of permission alike.
    static func requireFile(_ path: String) throws(StoreError) {
        try requireRegularFile(path)
        // SQLite would take it for a new database, and delete the log with all that is in it.
        guard fileSize(path) > 0 || fileSize(DatabaseFiles.log(of: path)) == 0 else {
            throw .corrupt(path: path, detail: "the file is empty, and its log is not")
        }
    }

    static func requireRegularFile(_ path: String) throws(StoreError) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { throw .notFound(path: path) }
            throw .system(operation: "open", path: path, code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .notAStore(path: path, reason: "it is not a regular file")
        }
    }
}

extension Connection {
    func journalMode() throws(SQLiteError) -> String {
        let query = try statement("PRAGMA journal_mode")
        defer { query.reset() }
        return try query.step() ? query.text(0) : ""
    }
}
