import Kademlia

/// What a vacuum did, in bytes.
public struct VacuumReport: Hashable, Sendable {
    public var fileBytesBefore: Int64
    public var logBytesBefore: Int64
    public var fileBytes: Int64
    public var logBytes: Int64
    /// Rows that had no seal, written by an older version or by hand, and have one now.
    public var sealedRows: Int
    /// Whether the log is empty. Otherwise somebody is reading what stands in it, and the file gets its new size when the
    /// log is emptied: by ``Store/checkpoint()``, or by whoever closes the store last.
    public var isLogEmpty: Bool
}

/// What a checkpoint did.
public struct CheckpointReport: Hashable, Sendable {
    /// Pages of the log that were not in the file before, and those of them that are now.
    public var logPages: Int
    public var movedPages: Int
    /// The log's size, in bytes.
    public var logBytesBefore: Int64
    public var logBytes: Int64
    /// Whether the log is empty. Otherwise somebody reads what stands in it, in this process or another.
    public var isLogEmpty: Bool
}

extension Store {
    /// Rebuilds the file: without free pages, every table in its order, every row with a seal. In one transaction, under the lock for writing:
    /// readers go on, other writers wait (a second for a million peers), and what waits too long in a node's queue is
    /// tried again. Stamps, keys and everything else stay.
    ///
    /// - Throws: ``StoreError``: `locked`, `diskFull` (it takes room twice: in the system's folder for temporary files and
    ///   in the log), `interrupted` when the task is cancelled: the file is as it was.
    /// - Complexity: O(n).
    public func vacuum() async throws(StoreError) -> VacuumReport {
        guard let writer else { throw .readOnly(path: path) }
        return try await writer.cancellable { writer, cancellation in try writer.vacuum(cancellation) }
    }

    /// Moves the log into the file, and empties it unless somebody reads from it. Waits for nobody but another process's
    /// transaction.
    public func checkpoint() async throws(StoreError) -> CheckpointReport {
        guard let writer else { throw .readOnly(path: path) }
        return try await writer.perform { try $0.checkpointReport() }
    }
}

extension Writer {
    /// Runs `body` on the queue, and tells it when the calling task is cancelled.
    func cancellable<Result: Sendable>(
        _ body: @escaping @Sendable (Writer, Cancellation) throws -> Result
    ) async throws(StoreError) -> Result {
        try await Cancellation.run(on: queue, path: path) { try body(self, $0) }
    }

    fileprivate func vacuum(_ cancellation: Cancellation) throws -> VacuumReport {
        try commitPending()
        let before = sizes()
        _ = try sweepStrings()
        return try alone { connection in
            let sealedRows = try connection.interruptible(by: cancellation) {
                try cancellation.check()
                let count = try connection.writeTransaction { try connection.sealUnsealed() }
                // What was sealed is in the file before the file is in the log once more.
                if count > 0 { try connection.checkpoint(truncating: true) }
                try connection.execute("VACUUM")
                return count
            }
            let isLogEmpty = try emptyLog(connection)
            let after = sizes()
            return VacuumReport(
                fileBytesBefore: before.file, logBytesBefore: before.log, fileBytes: after.file, logBytes: after.log,
                sealedRows: sealedRows, isLogEmpty: isLogEmpty)
        }
    }

    fileprivate func checkpointReport() throws -> CheckpointReport {
        try commitPending()
        return try alone { connection in
            let before = sizes().log
            let moved = try connection.checkpoint(truncating: false)
            let isLogEmpty = try emptyLog(connection)
            return CheckpointReport(
                logPages: moved.log, movedPages: moved.moved, logBytesBefore: before, logBytes: sizes().log,
                isLogEmpty: isLogEmpty)
        }
    }

    private func sizes() -> (file: Int64, log: Int64) {
        (fileSize(path), fileSize(DatabaseFiles.log(of: path)))
    }

    /// - Returns: whether the log is empty now: then all of it stands in the file and is on the medium.
    private func emptyLog(_ connection: Connection) throws -> Bool {
        try connection.checkpoint(truncating: true)
        guard fileSize(DatabaseFiles.log(of: path)) == 0 else { return false }
        isUnsynced = false
        return true
    }
}
