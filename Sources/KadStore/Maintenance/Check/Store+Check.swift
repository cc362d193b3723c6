import Kademlia

extension Store {
    /// Checks the file: SQLite's structures, the recorded schema changes, every row's values, and the invariants of every
    /// stored routing table. Reads in short pages, on a thread of the store's own; nothing is changed.
    ///
    /// - Parameters:
    ///   - full: also derives every key from its id again, and compares indexes with their tables.
    ///   - progress: called now and then with the number of peers that are done.
    /// - Throws: ``StoreError/interrupted(done:)`` when the task is cancelled.
    /// - Complexity: O(n).
    public func check(
        full: Bool = false, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws(StoreError) -> CheckReport {
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        return try await maintain { reader, cancellation in
            try Checker.check(reader, full: full, cancellation, progress: progress)
        }
    }
}
