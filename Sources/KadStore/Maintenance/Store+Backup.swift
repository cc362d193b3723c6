import Kademlia

/// How far a backup or restore is.
public enum BackupProgress: Hashable, Sendable {
    case copying(pages: Int, of: Int)
    case verifying(peers: Int)
}

/// How a backup is made.
public struct BackupOptions: Sendable {
    /// Whether a file of that name is replaced, once the copy is whole.
    public var replaces = false
    /// Whether a store in which a check finds problems is copied all the same: otherwise a good backup is never replaced
    /// by a damaged one.
    public var acceptsProblems = false
    /// Called now and then, on a thread of the store's own.
    public var onProgress: (@Sendable (BackupProgress) -> Void)?

    public init() {}
}

/// What a backup holds.
public struct BackupReport: Hashable, Sendable {
    public var path: String
    public var peers: Int
    public var bytes: Int64
    /// The first problem of the store, where it was copied in spite of it.
    public var problem: String?
}

extension Store {
    /// Writes a copy of everything that was committed, by anyone, and of what was recorded here, when it begins. Others may
    /// go on writing: the copy is one consistent view.
    ///
    /// The file appears under its name only when it is whole, was checked to the last row and compared with the view, and
    /// is on the medium; it can be read by its owner alone, and is a store that opens in place. A backup that fails or is
    /// cancelled leaves nothing, and an older backup under the name as it was.
    ///
    /// - Throws: ``StoreError``: `exists`, `notReplaceable`, `invalidArgument` (the store itself), `unsound`, `diskFull`,
    ///   `interrupted` when the task is cancelled.
    /// - Complexity: O(n), on a thread of the store's own.
    @discardableResult
    public func backup(to path: String, _ options: BackupOptions = BackupOptions()) async throws(StoreError)
        -> BackupReport
    {
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        let database = self.path
        return try await maintain { reader, cancellation in
            let file = try BackupFile(path, replacing: options.replaces, database: database)
            return try Self.backup(reader.connection, to: file, options, cancellation)
        }
    }

    /// - Parameter source: a connection on which no transaction is open.
    static func backup(
        _ source: Connection, to file: borrowing BackupFile, _ options: BackupOptions, _ cancellation: Cancellation
    ) throws -> BackupReport {
        // Whatever goes wrong in the copy is said of the copy.
        try StoreError.mapping(file.path) {
            let counts: TableCounts?
            do {
                counts = try StoreCopy.write(
                    source, to: file.temporary, isCounting: !options.acceptsProblems, cancellation,
                    progress: options.onProgress)
            } catch let error as SQLiteError where error.code == 11 {
                throw StoreError(error, path: source.path)
            }
            var report = BackupReport(path: file.path, peers: counts?.peers ?? 0, bytes: 0)
            do {
                let found = try StoreCopy.verify(
                    file.temporary, as: source.path, cancellation, progress: options.onProgress)
                if let counts, counts != found.counts {
                    throw StoreError.unsound(
                        path: source.path, problems: 1, first: "the copy has not the rows that the store has")
                }
                report.peers = found.counts.peers
            } catch let error where options.acceptsProblems && !cancellation.isRequested {
                report.problem = "\(error)"
            }
            try cancellation.check()
            report.bytes = fileSize(file.temporary)
            try file.commit()
            return report
        }
    }
}
