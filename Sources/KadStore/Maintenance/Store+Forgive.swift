import Kademlia

extension Store {
    /// Forgets what speaks against a peer: its backoff and breaker, its failures and those of its addresses in a row, its
    /// held failure and its tombstone. What it did well stays, and all stamps. Survives a loss of power when it returns.
    ///
    /// A node on the same file notices (``foreignCommits()``).
    ///
    /// - Returns: 1 if there was anything to forgive, else 0.
    /// - Throws: ``StoreError``; `corrupt` when the peer's row is damaged.
    @discardableResult
    public func forgive(_ key: Key) async throws(StoreError) -> Int {
        guard let writer else { throw .readOnly(path: path) }
        let key = key.lowerBound(prefix: network.keyBits)
        return try await writer.perform { writer in
            try writer.commitPending()
            let count = try writer.transaction { try $0.forgive(key) ? 1 : 0 }
            writer.noteUnannounced()
            try writer.flush()
            return count
        }
    }

    /// Forgives all peers, as ``forgive(_:)`` does one. Writes in short batches, each a transaction of its own: others
    /// write in between, and what is done stays when it is interrupted.
    ///
    /// - Parameter progress: called now and then with the number of peers and tombstones that were looked at.
    /// - Returns: how many peers and tombstones there were something to forgive of. Damaged rows are left as they are.
    /// - Throws: ``StoreError/interrupted(done:)`` when the task is cancelled.
    /// - Complexity: O(n).
    @discardableResult
    public func forgiveAll(progress: (@Sendable (Int) -> Void)? = nil) async throws(StoreError) -> Int {
        guard let writer else { throw .readOnly(path: path) }
        var pass = Amnesty()
        repeat {
            if Task.isCancelled { throw .interrupted(done: pass.forgiven) }
            let before = pass
            pass = try await writer.perform { try before.step($0) }
            progress?(pass.seen)
        } while !pass.isDone
        try await writer.perform { writer in
            writer.noteUnannounced()
            try writer.flush()
        }
        return pass.forgiven
    }
}

/// How far forgiving all has come.
private struct Amnesty: Sendable {
    private(set) var seen = 0
    private(set) var forgiven = 0
    private(set) var isDone = false
    private var lastPeer: Key?
    private var didPeers = false
    private var lastTombstone: Key?

    /// Rows of one transaction: some 10 ms in which other writers wait.
    private static let pageRows = 1_024

    /// Goes one page further.
    func step(_ writer: Writer) throws -> Amnesty {
        var next = self
        if lastPeer == nil, !didPeers { try writer.commitPending() }
        if didPeers { try next.forgiveTombstones(writer) } else { try next.forgivePeers(writer) }
        return next
    }

    private mutating func forgivePeers(_ writer: Writer) throws {
        // Read outside the transaction: most peers have done nothing, and nobody waits for what is not written. What is
        // to be forgiven is read again inside.
        let reader = try writer.records().reader
        let page = try reader.records(after: lastPeer, limit: Self.pageRows)
        let held = Set(try reader.heldFailures().map(\.key))
        let keys = page.records.filter { record in
            var cleared = record
            cleared.forgive()
            return cleared != record || held.contains(record.key)
        }.map(\.key)
        if !keys.isEmpty {
            forgiven += try writer.transaction { records in try keys.count { try records.forgive($0) } }
        }
        seen += page.rows
        lastPeer = page.last
        didPeers = page.rows < Self.pageRows
    }

    private mutating func forgiveTombstones(_ writer: Writer) throws {
        let page = try writer.records().reader.tombstones(after: lastTombstone, limit: Self.pageRows)
        let stones = page.rows
        if !stones.isEmpty {
            try writer.transaction { records in for stone in stones { try records.removeTombstone(of: stone.key) } }
        }
        seen += stones.count
        forgiven += stones.count
        lastTombstone = page.end
        isDone = page.end == nil
    }
}

extension RecordWriter {
    /// - Returns: whether there was anything to forgive.
    fileprivate func forgive(_ key: Key) throws -> Bool {
        let stored = try reader.record(of: key)
        var forgiven = stored
        forgiven?.forgive()
        try replace(stored, with: forgiven, key: key)
        try removeHeld(of: key)
        let hadHeld = connection.changes > 0
        try removeTombstone(of: key)
        return forgiven != stored || hadHeld || connection.changes > 0
    }
}

extension Sequence {
    func count(where isCounted: (Element) throws -> Bool) rethrows -> Int {
        try reduce(0) { try isCounted($1) ? $0 + 1 : $0 }
    }
}
