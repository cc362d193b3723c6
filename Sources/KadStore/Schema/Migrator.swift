import Crypto
import Kademlia
import Migrations
import Multiformats

extension Store {
    /// What `PRAGMA application_id` says in files of ours.
    package static var applicationID: Int64 { Migrator.applicationID }
}

/// Brings a file to the current schema: atomic between processes, checksummed, never destructive.
struct Migrator {
    /// "KADS": tells our files from other SQLite databases (`PRAGMA application_id`).
    static let applicationID: Int64 = 0x4b41_4453

    static let latest = Migration.all.last?.version ?? 0

    /// A database in memory with the tables of a schema, and nothing in them.
    static func model(through version: Int = latest) throws(SQLiteError) -> Connection {
        let model = try Connection(path: "", access: .memory)
        for migration in Migration.all where migration.version <= version {
            try model.execute(String(decoding: migration.sql, as: UTF8.self))
        }
        return model
    }

    let connection: Connection
    let path: String

    enum FileKind: Equatable {
        case empty
        case store(version: Int)
    }

    /// What the file is, by what SQLite says of it: it is never opened in another way, because closing it would drop the
    /// locks of connections that this process has.
    /// In one view: another process may be making the file a store right now.
    func inspect() throws -> FileKind {
        try connection.inOneView { try look() }
    }

    private func look() throws -> FileKind {
        let application = try connection.integer("PRAGMA application_id")
        let version = Int(try connection.integer("PRAGMA user_version"))
        if application == Self.applicationID {
            guard version <= Self.latest else {
                throw StoreError.newerSchema(path: path, found: version, supported: Self.latest)
            }
            return .store(version: version)
        }
        let objects = try connection.integer("SELECT count(*) FROM sqlite_schema")
        guard application == 0, version == 0, objects == 0 else {
            throw StoreError.notAStore(path: path, reason: "it is an SQLite database of another program")
        }
        return .empty
    }

    /// Makes an empty file a store, and sees to it that the file has a write-ahead log.
    func create(_ birth: Birth?, now: Instant, lock: WriteLock, wait: Int) throws {
        try lock.withLock(waitMilliseconds: wait) {
            // An empty file may be one that another process is just making a store: under the lock it is that, or empty.
            let kind = try inspect()
            if birth == nil, kind == .empty { throw StoreError.emptyDatabase(path: path) }
            if case .store(let version) = kind, version < Self.latest {
                throw StoreError.olderSchema(path: path, found: version, supported: Self.latest)
            }
            try bring(birth: birth, now: now)
        }
    }

    /// Applies what is missing and, to an empty file, writes the network. Under the write lock; of a file that has an
    /// older schema, on the only connection to it.
    ///
    /// - Returns: the schema version that the file had; 0 for an empty one.
    @discardableResult
    func bring(birth: Birth?, now: Instant) throws -> Int {
        // A persistent property of the file; it cannot be set inside a transaction.
        try connection.execute("PRAGMA journal_mode = WAL")
        return try connection.writeTransaction {
            // Read again inside: a program that does not take the lock may have been first.
            let from: Int
            switch try inspect() {
            case .empty:
                guard birth != nil else { throw StoreError.emptyDatabase(path: path) }
                from = 0
            case .store(let version): from = version
            }
            try verify(through: from)
            for migration in Migration.all where migration.version > from {
                try apply(migration, at: now)
            }
            if from == 0, let birth { try birth.write(to: connection) }
            return from
        }
    }

    /// Makes an empty file a store of a schema version, in the transaction that is open; without a network.
    func create(through version: Int, now: Instant) throws {
        for migration in Migration.all where migration.version <= version { try apply(migration, at: now) }
    }

    private func apply(_ migration: Migration, at now: Instant) throws {
        try connection.execute(String(decoding: migration.sql, as: UTF8.self))
        try connection.statement("INSERT INTO migration (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(1, Int64(migration.version)).bind(2, migration.name).bind(3, Self.checksum(migration))
            .bind(4, now.milliseconds).run()
        // Neither accepts parameters; both are numbers of ours.
        try connection.execute("PRAGMA application_id = \(Self.applicationID)")
        try connection.execute("PRAGMA user_version = \(migration.version)")
    }

    /// Compares the migrations that the file records with ours, and its schema with what they make.
    func verify(through version: Int) throws {
        guard version > 0 else { return }
        let query = try connection.statement("SELECT version, name, sha256 FROM migration ORDER BY version")
        defer { query.reset() }
        var found = 0
        while try query.step() {
            found += 1
            let number = Int(query.int64(0))
            guard let ours = Migration.all.first(where: { $0.version == number }), Self.checksum(ours) == query.text(2)
            else {
                throw StoreError.foreignMigration(path: path, version: number, name: query.text(1))
            }
        }
        guard found == version else {
            throw StoreError.corrupt(path: path, detail: "it records \(found) schema changes for schema \(version)")
        }
        if let intrusion = try SchemaText.intrusion(connection, version: version) {
            throw StoreError.foreignSchema(path: path, detail: intrusion)
        }
    }

    static func checksum(_ migration: Migration) -> String {
        Hex.encode(SHA256.hash(data: migration.sql))
    }
}

/// What a new file begins with.
struct Birth {
    let network: Network
    let scope: Scope
    let now: Instant
    let salt: [UInt8]

    func write(to connection: Connection) throws {
        let insert = try connection.statement(
            """
            INSERT INTO network (singleton, name, scope, derivation, key_bits, id_text, created_at, peer_cap, salt, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            """, sealing: .network)
        try FileHeader(
            network: network, scope: scope, createdAt: now, peerCap: PeerCap(Store.defaultPeerCap),
            salt: SymmetricKey(data: salt)
        ).bind(to: insert).run()
    }
}

/// The row of table network.
struct FileHeader {
    let network: Network
    let scope: Scope
    let createdAt: Instant
    let peerCap: PeerCap
    let salt: SymmetricKey
    /// The schema that the file had before it was opened, where opening it has changed that.
    var upgradedFrom: Int?
    /// Where a damaged log was copied to before anybody wrote.
    var keptLog: String?

    init(network: Network, scope: Scope, createdAt: Instant, peerCap: PeerCap, salt: SymmetricKey) {
        self.network = network
        self.scope = scope
        self.createdAt = createdAt
        self.peerCap = peerCap
        self.salt = salt
    }

    init(_ connection: Connection, path: String) throws {
        let query = try connection.statement(
            """
            SELECT singleton, name, scope, derivation, key_bits, id_text, created_at, peer_cap, salt, seal FROM network
            """)
        defer { query.reset() }
        guard try query.step(), query.isSound(.network), let scope = Scope(rawValue: query.text(2)),
            let derivation = Network.Derivation(rawValue: query.text(3)),
            let encoding = PeerIDEncoding(rawValue: query.text(5)),
            let network = try? Network(
                name: query.text(1), derivation: derivation, keyBits: Int(query.int64(4)), idEncoding: encoding)
        else {
            throw StoreError.corrupt(path: path, detail: "the description of its network cannot be read")
        }
        self.init(
            network: network, scope: scope, createdAt: Instant(milliseconds: query.int64(6)),
            peerCap: PeerCap(query.int64(7)), salt: SymmetricKey(data: query.bytes(8)))
    }

    /// Binds the row's columns to a statement that writes them all.
    func bind(to statement: Statement) -> Statement {
        statement.bind(1, 1).bind(2, network.name).bind(3, scope.rawValue).bind(4, network.derivation.rawValue)
            .bind(5, Int64(network.keyBits)).bind(6, network.idEncoding.rawValue).bind(7, createdAt.milliseconds)
            .bind(8, peerCap.value)
        return salt.withUnsafeBytes { statement.bind(9, bytes: $0) }
    }
}
