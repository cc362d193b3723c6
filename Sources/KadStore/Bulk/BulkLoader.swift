import Kademlia
import Multiformats

/// Loads any number of foreign records in bounded memory: sorts them by key, brings those of one peer together, and
/// merges them in one pass along the table.
///
/// Used by one task. Nothing is written before ``finish(progress:)``; what that has committed stays when it is
/// interrupted, and loading the same records again completes it.
public final class BulkLoader {
    private let store: Store
    private let records: RecordSorter

    init(store: Store, options: BulkOptions) {
        self.store = store
        records = RecordSorter(network: store.network, options: options)
    }

    /// Takes a record: see ``RecordSorter``.
    public func add(_ peer: ImportedPeer) throws(StoreError) { try records.add(peer) }

    /// Takes an address without an id.
    public func add(_ candidate: Candidate) throws(StoreError) { try records.add(candidate) }

    /// Merges everything that was added: see ``Store/load(_:progress:)``.
    public func finish(progress: (@Sendable (Int) -> Void)? = nil) async throws(StoreError) -> BulkSummary {
        try await store.load(records, progress: progress)
    }
}

extension Store {
    /// Begins a bulk load of foreign records.
    public func bulkLoader(_ options: BulkOptions) throws(StoreError) -> BulkLoader {
        guard writer != nil else { throw .readOnly(path: path) }
        return BulkLoader(store: self, options: options)
    }

    /// Merges sorted records into the table, in one pass along it and in transactions of bounded size, and raises
    /// ``peerCap`` to the number of peers that there are then. What is committed
    /// stays when the task is cancelled, and loading the same records again completes it.
    ///
    /// - Parameters:
    ///   - records: nobody else uses them any more.
    ///   - progress: called now and then with the number of records that are done.
    /// - Throws: ``StoreError/interrupted(done:)`` when the task is cancelled.
    public func load(
        _ records: RecordSorter, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws(StoreError) -> BulkSummary {
        guard let writer else { throw .readOnly(path: path) }
        guard records.network == network else {
            throw .invalidArgument("the records are of network '\(records.network.name)', not of this store's")
        }
        let pass = Pass(records)
        let rows = records.options.chunkRows
        while try await writer.perform({ try pass.step($0, limit: rows) }) {
            progress?(pass.done)
            if Task.isCancelled { throw .interrupted(done: pass.done) }
        }
        progress?(pass.done)
        if !records.options.isDryRun {
            try await writer.perform { writer in
                try writer.makeRoomForAllPeers()
                writer.noteUnannounced()
                try writer.flush()
            }
        }
        return pass.summary
    }
}

/// The state of a load between its transactions. Touched on the writer's queue, one step at a time.
private final class Pass: @unchecked Sendable {
    private let sorted: RecordSorter
    private let isDryRun: Bool
    private var isStarted = false
    /// The first stored key at or after the last one that was asked for, as of this transaction.
    private var ahead = Ahead.unknown

    private enum Ahead: Equatable {
        case unknown
        case at(Key)
        case end
    }

    private(set) var summary = BulkSummary()
    var done: Int { sorted.done }

    init(_ sorted: RecordSorter) {
        self.sorted = sorted
        isDryRun = sorted.options.isDryRun
    }

    /// One transaction's worth of rows.
    ///
    /// - Returns: whether there is more.
    func step(_ writer: Writer, limit: Int) throws -> Bool {
        if !isStarted {
            isStarted = true
            try writer.commitPending()
            try sorted.start()
        }
        guard !sorted.isAtEnd else { return false }
        ahead = .unknown
        let before = (summary, sorted.done)
        do {
            if isDryRun {
                try merge(writer.records(), limit)
            } else {
                try writer.transaction { try merge($0, limit) }
            }
        } catch {
            (summary, sorted.done) = before
            throw error
        }
        return !sorted.isAtEnd
    }

    private func merge(_ records: RecordWriter, _ limit: Int) throws {
        var rows = 0
        while rows < limit, let key = try sorted.nextKey() {
            try mergePeer(key, records)
            rows += 1
        }
        while rows < limit, let address = try sorted.nextAddress() {
            try mergeCandidate(address, records)
            rows += 1
        }
    }

    private func mergePeer(_ key: Key, _ records: RecordWriter) throws {
        let stored: PeerRecord?
        do {
            stored = try isStored(key, records.reader) ? records.reader.record(of: key) : nil
        } catch StoreError.corrupt {
            summary.damagedPeers += 1
            try sorted.skipPeer()
            return
        }
        let merged = try sorted.takePeer(key, onto: stored)
        summary.peers.note(stored, merged)
        if !isDryRun { try records.replace(stored, with: merged, key: key) }
    }

    private func mergeCandidate(_ address: Multiaddr, _ records: RecordWriter) throws {
        let stored: Candidate?
        do {
            stored = try records.reader.candidate(at: address)
        } catch StoreError.corrupt {
            summary.damagedCandidates += 1
            _ = try sorted.takeCandidate(address, onto: nil)
            return
        }
        let merged = try sorted.takeCandidate(address, onto: stored)
        summary.candidates.note(stored, merged)
        if !isDryRun { try records.replace(stored, with: merged, address: address) }
    }

    /// Whether the table has a key. Keys come in order, so one look ahead answers for all keys up to the next row: loading
    /// into an empty store, or past its end, searches nothing.
    private func isStored(_ key: Key, _ reader: RecordReader) throws -> Bool {
        if case .at(let next) = ahead, next >= key { return next == key }
        if case .end = ahead { return false }
        ahead = try reader.firstKey(from: key).map { .at($0) } ?? .end
        return ahead == .at(key)
    }
}
