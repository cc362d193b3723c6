import Dispatch
import Kademlia
import Migrations

/// How a file of an older schema is upgraded.
public struct MigrateOptions: Sendable {
    /// Whether a backup is made first, as `<file>.schema-<version>-<UTC time>`.
    public var backsUp = true
    /// Says what would be done, and does nothing.
    public var isDryRun = false
    /// How long to wait for others to close the file, in milliseconds.
    public var waitMilliseconds = 5_000
    /// The wall clock.
    public var now: @Sendable () -> Instant = Instant.systemClock
    /// Called now and then while the backup is made, on a thread of its own.
    public var onProgress: (@Sendable (BackupProgress) -> Void)?

    public init() {}
}

/// What an upgrade did, or would do.
public struct MigrationReport: Hashable, Sendable {
    public var path: String
    /// The schema that the file had, and the one that this software writes: equal when there is nothing to do.
    public var from: Int
    public var to: Int
    /// The schema changes, oldest first.
    public var changes: [String]
    /// Whether one of them changes rows that are there, rather than adding tables and columns. Such an upgrade is never
    /// made by opening a store.
    public var rewritesData: Bool
    /// The backup that was made.
    public var backup: String?

    public var isCurrent: Bool { from == to }
}

extension Store {
    /// Brings a file to the current schema, in one transaction, after a backup that was checked. Opening a store for
    /// writing does the same without a backup, where no data is rewritten.
    ///
    /// - Throws: ``StoreError``: `inUse` when anyone has the store open, `newerSchema`, `foreignMigration`, `foreignSchema`, the
    ///   last three also where it is only to say what would be done; `unsound` when the backup shows that the file is damaged.
    public static func migrate(
        _ path: String, _ options: MigrateOptions = MigrateOptions()
    ) async throws(StoreError) -> MigrationReport {
        let queue = DispatchQueue(label: "kadstore.migrate.\(path)")
        return try await Cancellation.run(on: queue, path: path) { cancellation in
            try migrate(path, options, cancellation)
        }
    }

    private static func migrate(
        _ path: String, _ options: MigrateOptions, _ cancellation: Cancellation
    ) throws -> MigrationReport {
        try Opened.requireFile(path)
        var settings = StoreOptions()
        settings.waitMilliseconds = options.waitMilliseconds
        settings.now = options.now
        let version = try version(of: path, settings)
        let pending = Upgrade.pending(from: version)
        var report = MigrationReport(
            path: path, from: version, to: Migrator.latest, changes: pending.map(\.name),
            rewritesData: !Upgrade.isAutomatic(pending))
        guard !options.isDryRun else { return report }
        guard !report.isCurrent else {
            try settle(path, settings)
            return report
        }
        _ = try Upgrade.run(path, settings, WriteLock(database: path)) { connection, version in
            guard options.backsUp else { return }
            var backup = BackupOptions()
            backup.onProgress = options.onProgress
            let name = BackupFile.dated(path, "schema-\(version)", at: options.now().milliseconds)
            let file = try BackupFile.numbered(name, database: path)
            report.backup = try Store.backup(connection, to: file, backup, cancellation).path
        }
        return report
    }

    /// An upgrade whose log could not be synced failed, and is there all the same. It must not count as made before it is on
    /// the medium.
    private static func settle(_ path: String, _ options: StoreOptions) throws {
        guard WriteLock.isLogDoubtful(path) else { return }
        let lock = try WriteLock(database: path)
        try lock.withLock(waitMilliseconds: options.waitMilliseconds) {
            let connection = try Connection(path: path, access: .readWrite, waitMilliseconds: options.waitMilliseconds)
            // The log is open from the first transaction on.
            _ = try Migrator(connection: connection, path: path).inspect()
            try lock.settle(connection)
        }
    }

    /// The schema that a file says to have, and has: what an upgrade refuses is refused before anything is told.
    private static func version(of path: String, _ options: StoreOptions) throws -> Int {
        let connection = try Connection(path: path, access: .readWrite, waitMilliseconds: options.waitMilliseconds)
        let migrator = Migrator(connection: connection, path: path)
        return try connection.inOneView {
            guard case .store(let version) = try migrator.inspect() else { throw StoreError.emptyDatabase(path: path) }
            try migrator.verify(through: version)
            return version
        }
    }
}
