import CSQLite
import Dispatch
import Kademlia
import Multiformats
import Synchronization

/// The one writing connection of a store, on the store's own serial queue: transactions, syncs and checkpoints happen here
/// and nowhere else, never on Swift's cooperative threads.
final class Writer: @unchecked Sendable {
    // Everything below `queue` is touched on the queue alone; that is what makes the class Sendable.
    let queue: DispatchQueue
    let path: String
    let token: Int64
    let pending: PendingWrites
    let peerCap: PeerCap
    private let options: StoreOptions
    private let lock: WriteLock
    /// Nil once closed: letting go of it closes the connection.
    private var opened: RecordWriter?
    /// Whether commits may be lost when the power fails; a sync is scheduled then.
    var isUnsynced = false
    private var dataVersion: Int64 = 0

    /// What is scheduled already, so that a thousand events schedule one commit.
    private let scheduled = Mutex((timer: false, full: false))
    /// Why the last commit of queued events failed, and how many have failed in a row.
    private let fault = Mutex<(error: StoreError?, failures: Int)>((nil, 0))
    /// Commits that no event of this store made, and whether the queue will look for more.
    private let foreign = Mutex((count: Int64(0), isLooking: false))

    init(
        queue: DispatchQueue, reader: RecordReader, lock: WriteLock, pending: PendingWrites, peerCap: PeerCap,
        options: StoreOptions
    ) throws {
        self.queue = queue
        self.lock = lock
        self.pending = pending
        self.peerCap = peerCap
        self.options = options
        path = reader.connection.path
        opened = RecordWriter(reader)
        token = Int64.random(in: 1...Int64.max)
        dataVersion = try reader.connection.dataVersion()
        reader.connection.require(lock)
    }

    // MARK: Called from anywhere

    /// Sees to it that queued events are written: at once when a batch is full, within the batch interval otherwise. While
    /// commits fail they are tried less and less often, however much is queued: a batch of thousands for every event that
    /// comes would keep a core busy for as long as the device is full.
    func schedule(count: Int, bytes: Int = 0) {
        let failures = fault.withLock { $0.failures }
        if failures == 0, count >= options.batchCount || bytes >= options.batchBytes {
            guard scheduled.withLock({ !exchange(&$0.full, true) }) else { return }
            queue.async { [weak self] in self?.commitScheduled() }
        } else {
            guard scheduled.withLock({ !exchange(&$0.timer, true) }) else { return }
            let interval = options.batchMilliseconds << min(failures, Self.maximumDoublings)
            queue.asyncAfter(deadline: .now() + .milliseconds(interval)) { [weak self] in self?.commitScheduled() }
        }
    }

    /// 16 s with the default interval.
    private static let maximumDoublings = 4

    /// Why queued events are not on the file: nil where the last commit of them did not fail.
    var commitFault: StoreError? { fault.withLock { $0.error } }

    /// How often a commit was noticed that no event of this store made.
    var foreignCommits: Int64 { foreign.withLock { $0.count } }

    /// Has the queue look for commits of others.
    func lookForForeignCommits() {
        guard foreign.withLock({ !exchange(&$0.isLooking, true) }) else { return }
        queue.async { [weak self] in
            guard let self else { return }
            self.foreign.withLock { $0.isLooking = false }
            // What cannot be read now is noticed by the next transaction.
            if let records = try? self.records() { try? self.noticeForeignCommits(records) }
        }
    }

    /// Runs `body` on the queue, after everything that was queued before.
    func perform<Result: Sendable>(
        _ body: @escaping @Sendable (Writer) throws -> Result
    ) async throws(StoreError) -> Result {
        let outcome: Swift.Result<Result, StoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(StoreError) {
                    continuation.resume(returning: .success(try StoreError.mapping(self.path) { try body(self) }))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }

    // MARK: On the queue

    private func commitScheduled() {
        scheduled.withLock { $0 = (false, false) }
        guard opened != nil else { return }
        do throws(StoreError) {
            _ = try StoreError.mapping(path) { try commitPending() }
        } catch {
            fault.withLock { $0 = (error, $0.failures + 1) }
            // The events stay queued, and readers go on seeing them: try again an interval later. A `flush()` that fails
            // for the same reason reports it.
            schedule(count: 1)
        }
    }

    /// The open connection's records, for use on the queue.
    func records() throws(StoreError) -> RecordWriter {
        guard let opened else { throw .closed }
        return opened
    }

    /// Writes everything that is queued now. What comes meanwhile is left for the next commit: on a busy node this would
    /// never end otherwise.
    ///
    /// - Returns: whether there was anything.
    @discardableResult
    func commitPending() throws -> Bool {
        let waiting = pending.waiting()
        guard let last = waiting.last else { return false }
        try transaction { records in
            try Batch(events: waiting.map(\.event)).write(to: records, options.holdingLimits)
            try markApplied(last.sequence, records)
        }
        pending.committed(through: last.sequence)
        // What comes now need not wait for the next of the trials that are far apart.
        let hadFailed = fault.withLock { state in
            defer { state = (nil, 0) }
            return state.failures > 0
        }
        if hadFailed { scheduled.withLock { $0.timer = false } }
        return true
    }

    /// Everything queued before is on the medium when this returns.
    func flush() throws {
        try commitPending()
        guard isUnsynced else { return }
        try alone { try $0.syncLog() }
        isUnsynced = false
    }

    /// One write transaction under the lock, then a checkpoint when the log has grown.
    @discardableResult
    func transaction<Result>(_ body: (RecordWriter) throws -> Result) throws -> Result {
        let records = try records()
        let connection = records.reader.connection
        let strings = records.reader.strings
        return try lock.withLock(waitMilliseconds: options.waitMilliseconds) {
            try noticeForeignCommits(records)
            try lock.settle(connection)
            let result: Result
            do {
                result = try connection.writeTransaction { try records.counting(body) }
            } catch {
                strings.forgetAll()
                // What was taken back still fills the log, perhaps the whole device.
                _ = try? connection.checkpoint(truncating: true)
                noteDoubt(connection)
                throw error
            }
            scheduleSync()
            // The commit stands, whatever becomes of the checkpoint: to report a failure here would have the same events
            // written again. The next commit tries once more, and closing says what is wrong.
            if connection.logFrames >= options.checkpointFrames {
                _ = try? connection.checkpoint(truncating: false)
                noteDoubt(connection)
            }
            return result
        }
    }

    /// What a checkpoint does not tell: others must know that a sync has failed.
    private func noteDoubt(_ connection: Connection) {
        if connection.isLogDoubtful { lock.isLogDoubtful = true }
    }

    /// Another connection's commits change the number that SQLite keeps; our own do not.
    private func noticeForeignCommits(_ records: RecordWriter) throws {
        let version = try records.reader.connection.dataVersion()
        guard version != dataVersion else { return }
        dataVersion = version
        records.reader.strings.forgetNumbers()
        peerCap.value = try records.reader.peerCap()
        noteUnannounced()
    }

    /// Something was committed that nobody recorded as an event.
    func noteUnannounced() { foreign.withLock { $0.count += 1 } }

    private func markApplied(_ sequence: Int64, _ records: RecordWriter) throws {
        try records.reader.connection.statement(
            """
            INSERT INTO writer (token, sequence, updated_at) VALUES (?1, ?2, ?3)
            ON CONFLICT (token) DO UPDATE SET sequence = max(sequence, ?2), updated_at = ?3
            """
        )
        .bind(1, token).bind(2, sequence).bind(3, options.now().milliseconds).run()
    }

    private func scheduleSync() {
        guard !isUnsynced else { return }
        isUnsynced = true
        syncLater()
    }

    private func syncLater() {
        let interval = DispatchTimeInterval.milliseconds(options.syncMilliseconds)
        queue.asyncAfter(deadline: .now() + interval) { [weak self] in
            guard let self, self.isUnsynced, self.opened != nil else { return }
            do { try self.flush() } catch { self.syncLater() }
        }
    }

    /// Runs `body` while nobody else writes, outside of any transaction.
    func alone<Result>(_ body: (Connection) throws -> Result) throws -> Result {
        try lock.withLock(waitMilliseconds: options.waitMilliseconds) {
            let connection = try records().reader.connection
            try lock.settle(connection)
            return try body(connection)
        }
    }

    /// Moves the log into the database file; `truncating` also empties the log, if nobody reads from it.
    func checkpoint(truncating: Bool) throws {
        try alone { _ = try $0.checkpoint(truncating: truncating) }
    }

    /// Writes what is queued, forgets this writer, and empties the log. When that fails, nothing is closed.
    ///
    /// - Parameter closeReaders: called when nothing can fail any more but emptying the log; the last connection to close
    ///   removes it.
    func close(_ closeReaders: () -> Void = {}) throws {
        guard opened != nil else { return }
        // First, so that nothing is taken that the last commit would miss.
        pending.close()
        do {
            try flush()
            try transaction { try forgetWriters($0.reader.connection) }
        } catch {
            pending.reopen()
            throw error
        }
        closeReaders()
        defer { opened = nil }
        try checkpoint(truncating: true)
    }

    private func forgetWriters(_ connection: Connection) throws {
        try connection.statement("DELETE FROM writer WHERE token = ?1").bind(1, token).run()
        // Writers that died without closing: nobody will ask for them again.
        try connection.statement("DELETE FROM writer WHERE updated_at < ?1")
            .bind(1, options.now().advanced(byMilliseconds: -Self.writerLifetime).milliseconds).run()
    }

    /// 30 days in milliseconds.
    private static let writerLifetime: Int64 = 30 * 86_400_000
}

private func exchange(_ flag: inout Bool, _ value: Bool) -> Bool {
    defer { flag = value }
    return flag
}
