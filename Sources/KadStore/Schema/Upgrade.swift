import Kademlia
import Migrations

/// Brings a file of an older schema to the current one, while nobody else has it open: an older process would go on with
/// statements and rules that the new schema does not know.
///
/// Opening for writing does so by itself where nothing is rewritten: tables and columns come beside what there is, in one
/// transaction. Where data is rewritten, opening says ``StoreError/olderSchema(path:found:supported:)``, and
/// ``Store/migrate(_:options:)`` makes a backup first.
enum Upgrade {
    /// What a file of a version lacks, oldest first.
    static func pending(from version: Int, of migrations: [Migration] = Migration.all) -> [Migration] {
        migrations.filter { $0.version > version }
    }

    static func isAutomatic(_ pending: [Migration]) -> Bool { !pending.contains(where: \.rewritesData) }

    /// Upgrades a file that is being opened for writing.
    ///
    /// - Parameter connection: the opener's own: let go of.
    /// - Returns: the version that it had; nil when another process was first.
    static func automatic(
        _ path: String, from version: Int, _ options: StoreOptions, _ lock: WriteLock,
        closing connection: inout Connection?
    ) throws -> Int? {
        guard isAutomatic(pending(from: version)) else {
            throw StoreError.olderSchema(path: path, found: version, supported: Migrator.latest)
        }
        connection = nil
        return try run(path, options, lock) { _, _ in }
    }

    /// - Parameter prepare: called with the only connection to the file, and its version, before anything is changed.
    /// - Returns: the version that it had; nil when there is nothing to upgrade.
    static func run(
        _ path: String, _ options: StoreOptions, _ lock: WriteLock, prepare: (Connection, Int) throws -> Void
    ) throws -> Int? {
        try lock.withLock(waitMilliseconds: options.waitMilliseconds) {
            // Others who opened it before it was theirs alone may have upgraded it meanwhile, and have it open now.
            let opened = try ExclusiveAccess.open(path, waitMilliseconds: options.waitMilliseconds) {
                try isCurrent(path)
            }
            guard let connection = opened else { return nil }
            try lock.settle(connection)
            let migrator = Migrator(connection: connection, path: path)
            guard case .store(let version) = try migrator.inspect(), version < Migrator.latest else { return nil }
            try migrator.verify(through: version)
            try prepare(connection, version)
            try connection.execute("PRAGMA foreign_keys = ON")
            return try migrator.bring(birth: nil, now: options.now())
        }
    }

    /// Whether a file has the current schema; what cannot be found out now is asked again.
    private static func isCurrent(_ path: String) throws -> Bool {
        do {
            let connection = try Connection(path: path, access: .readWrite, waitMilliseconds: 0)
            return try Migrator(connection: connection, path: path).inspect() == .store(version: Migrator.latest)
        } catch let error as SQLiteError where error.code == 5 {
            return false
        }
    }
}
