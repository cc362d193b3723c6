import Dispatch
import Kademlia

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How a backup is restored.
public struct RestoreOptions: Sendable {
    /// Whether a store that has contents is replaced, one of another network or scope, or one whose rows cannot be read.
    public var replaces = false
    /// Whether what the store held is kept beside it, as `<file>.before-restore-<UTC time>`.
    public var keepsOld = true
    /// How long to wait for others to close the file, in milliseconds.
    public var waitMilliseconds = 5_000
    /// The wall clock.
    public var now: @Sendable () -> Instant = Instant.systemClock
    /// Called now and then, on a thread of its own.
    public var onProgress: (@Sendable (BackupProgress) -> Void)?

    public init() {}
}

/// What a restore did.
public struct RestoredStore: Hashable, Sendable {
    public var path: String
    public var network: Network
    public var scope: Scope
    public var peers: Int
    /// Whether there was no store before.
    public var isNew: Bool
    /// Where what the store held is kept.
    public var kept: String?
    /// The schema of the backup, where it was an older one and has been upgraded.
    public var upgradedFrom: Int?
}

extension Store {
    /// Makes the store at `path` hold what a backup holds, and nothing else; creates it where there is none.
    ///
    /// The backup is copied, upgraded if its schema is an older one, and checked to the last row, before anything is
    /// touched; it stays as it is, and may itself be a store in use. Then the store is replaced in one transaction of
    /// its own: whatever happens, also to the machine, it holds the old contents or the new ones, and never a log of one
    /// beside a file of the other, as it could when files are copied or renamed over a database. The new contents are on
    /// the medium when this returns. Cut off before there was a store, it leaves an empty file, which a restore takes.
    ///
    /// - Throws: ``StoreError``: `inUse` when anyone has the store open, in any program; `notEmpty` and
    ///   `networkMismatch` without ``RestoreOptions/replaces``; `unsound`, `notAStore`, `newerSchema` and the like of the
    ///   backup; `interrupted` when the task is cancelled before the last moment: nothing has changed then.
    /// - Complexity: O(n), in time and, twice, in room on the device.
    public static func restore(
        _ path: String, from backup: String, _ options: RestoreOptions = RestoreOptions()
    ) async throws(StoreError) -> RestoredStore {
        let queue = DispatchQueue(label: "kadstore.restore.\(path)")
        return try await Cancellation.run(on: queue, path: path) { cancellation in
            try Restoring(path: path, backup: backup, options: options, cancellation: cancellation).run()
        }
    }
}

/// One run of a restore.
private struct Restoring {
    let path: String
    let backup: String
    let options: RestoreOptions
    let cancellation: Cancellation

    func run() throws -> RestoredStore {
        try Opened.requireFile(backup)
        guard !BackupFile.isSame(path, backup) else {
            throw StoreError.invalidArgument("\(backup) is the database itself: name the backup.")
        }
        let isNew = try isMissing()
        if isNew {
            // Nobody can be in the way: the store is made when there is something to put into it.
            let (staged, report) = try stage(isNew: true)
            try Opened.createPrivately(path)
            return try alone { try replace($0, by: staged, report) }
        }
        return try alone { store in
            // Before the work, too: who must not be replaced is not worth a copy of the backup.
            let (staged, report) = try stage(isNew: false)
            return try replace(store, by: staged, report)
        }
    }

    private func isMissing() throws -> Bool {
        do {
            try Opened.requireFile(path)
        } catch StoreError.notFound {
            return true
        }
        // What is no store is refused before a lock is made beside it.
        let connection = try Connection(path: path, access: .readWrite, waitMilliseconds: options.waitMilliseconds)
        guard !connection.isReadOnly else { throw StoreError.readOnly(path: path) }
        _ = try Migrator(connection: connection, path: path).inspect()
        return false
    }

    private func alone<Result>(_ body: (Connection) throws -> Result) throws -> Result {
        let lock = try WriteLock(database: path)
        return try lock.withLock(waitMilliseconds: options.waitMilliseconds) {
            guard let store = try ExclusiveAccess.open(path, waitMilliseconds: options.waitMilliseconds) else {
                throw StoreError.closed
            }
            try lock.settle(store)
            return try body(store)
        }
    }

    // MARK: The backup

    /// A copy of the backup, sound and of the current schema.
    private func stage(isNew: Bool) throws -> (TemporaryStoreBox, RestoredStore) {
        let staged = TemporaryStoreBox(try TemporaryStore(beside: path))
        let counts: TableCounts?
        do {
            counts = try StoreCopy.write(openBackup(), to: staged.path, cancellation, progress: options.onProgress)
        } catch {
            let error = StoreError.of(error, path: backup)
            // The backup is only read.
            if case .diskFull = error { throw StoreError.diskFull(path: path) }
            throw error
        }
        var found = try verify(staged.path)
        guard found.counts == counts else {
            throw StoreError.unsound(path: backup, problems: 1, first: "a copy of it has not the rows that it has")
        }
        var upgradedFrom: Int?
        if found.version < Migrator.latest {
            upgradedFrom = found.version
            var settings = StoreOptions()
            settings.now = options.now
            _ = try Upgrade.run(staged.path, settings, WriteLock(database: staged.path)) { _, _ in }
            found = try verify(staged.path)
        }
        guard let header = found.header else { throw StoreError.closed }
        return (
            staged,
            RestoredStore(
                path: path, network: header.network, scope: header.scope, peers: found.counts.peers, isNew: isNew,
                upgradedFrom: upgradedFrom)
        )
    }

    private func verify(_ staged: String) throws -> (version: Int, header: FileHeader?, counts: TableCounts) {
        try StoreCopy.verify(staged, as: backup, cancellation, progress: options.onProgress)
    }

    /// As a reader opens a store: so that the last one tidies up if it may, and a medium that cannot be written will do.
    private func openBackup() throws -> Connection {
        for access in [Connection.Access.readWrite, .readOnly] {
            do {
                return try openBackup(access)
            } catch  where Opened.isForbidden(StoreError.of(error, path: backup)) {}
        }
        return try openBackup(Opened.accessWithoutFolder(backup))
    }

    private func openBackup(_ access: Connection.Access) throws -> Connection {
        let connection = try Connection(path: backup, access: access, waitMilliseconds: options.waitMilliseconds)
        try connection.execute("PRAGMA query_only = ON")
        guard case .store = try Migrator(connection: connection, path: backup).inspect() else {
            throw StoreError.emptyDatabase(path: backup)
        }
        return connection
    }

    // MARK: The store

    private func replace(
        _ store: Connection, by staged: TemporaryStoreBox, _ report: RestoredStore
    ) throws -> RestoredStore {
        var report = report
        if try hasContents(store, report), options.keepsOld {
            report.kept = try keep(store)
        }
        let source = try Connection(path: staged.path, access: .readWrite)
        do {
            try prepare(store, for: source)
            try source.copyPages(to: store) { done, total in
                // The last step has committed: what is done is done.
                if done < total { try cancellation.check() }
                options.onProgress?(.copying(pages: done, of: total))
            }
        } catch {
            // The store holds what it held: on a full device a copy of it at each try would be in the way of the next.
            switch StoreError.of(error, path: path) {
            case .diskFull, .interrupted: if let kept = report.kept { unlink(kept) }
            default: break
            }
            throw error
        }
        try store.execute("PRAGMA journal_mode = WAL")
        try store.checkpoint(truncating: true)
        return report
    }

    /// Full syncs, and a journal that takes what is to be written.
    private func prepare(_ store: Connection, for source: Connection) throws {
        do {
            // Only outside of a write-ahead log can a file get pages of another size; a rollback journal is as safe.
            let isOtherSize = try source.integer("PRAGMA page_size") != store.integer("PRAGMA page_size")
            try store.execute("PRAGMA synchronous = FULL; PRAGMA journal_mode = \(isOtherSize ? "DELETE" : "WAL")")
        } catch {
            // A schema that cannot be read: whichever journal the file has, the copy is one transaction.
            guard error.code == 11, options.replaces else { throw error }
        }
    }

    /// - Throws: when there is something that must not be replaced.
    private func hasContents(_ store: Connection, _ report: RestoredStore) throws -> Bool {
        do {
            guard case .store = try Migrator(connection: store, path: path).inspect() else { return false }
            let header = try FileHeader(store, path: path)
            guard options.replaces || header.network == report.network && header.scope == report.scope else {
                throw StoreError.networkMismatch(
                    path: path, expected: "network '\(report.network.name)' of \(report.scope.rawValue) scope",
                    found: "network '\(header.network.name)' of \(header.scope.rawValue) scope")
            }
            guard try hasRows(store) else { return false }
            guard options.replaces else { throw StoreError.notEmpty(path: path) }
            return true
        } catch StoreError.corrupt where options.replaces {
            return true
        } catch let error as SQLiteError where options.replaces && error.code == 11 {
            return true
        }
    }

    /// Of an older schema, too, which lacks tables.
    private func hasRows(_ store: Connection) throws -> Bool {
        guard case .store(Migrator.latest) = try Migrator(connection: store, path: path).inspect() else { return true }
        return try Store.hasContents(store)
    }

    /// Copies what there is, damaged or not.
    private func keep(_ store: Connection) throws -> String {
        let name = BackupFile.dated(path, "before-restore", at: options.now().milliseconds)
        for number in 1...100 {
            do {
                let file = try BackupFile(number == 1 ? name : "\(name)-\(number)", replacing: false, database: path)
                _ = try StoreCopy.write(
                    store, to: file.temporary, isCounting: false, cancellation, progress: options.onProgress)
                try file.commit()
                return file.path
            } catch StoreError.exists {
                continue
            }
        }
        throw StoreError.exists(path: name)
    }
}

/// Shares a temporary file among the steps of a run.
private final class TemporaryStoreBox {
    private let file: TemporaryStore

    init(_ file: consuming TemporaryStore) { self.file = file }

    var path: String { file.path }
}
