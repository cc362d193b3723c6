import Kademlia
import Multiformats

/// Loads any number of foreign records in bounded memory: sorts them by key, brings those of one peer together, and
/// merges them in one pass along the table.
///
/// Used by one task. Nothing is written before ``finish(progress:)``; what that has committed stays when it is
/// interrupted, and loading the same records again completes it.
public final class BulkLoader {
    private let store: Store
    private let writer: Writer
    private let options: BulkOptions
    private let peers: RunSorter
    private let candidates: RunSorter
    private var codec = ImportedPeerCodec()

    /// Rows of one transaction: about 2 MiB of log, some 40 ms in which other writers wait.
    private static let chunk = 16_384

    init(store: Store, writer: Writer, options: BulkOptions) {
        self.store = store
        self.writer = writer
        self.options = options
        peers = RunSorter(memoryLimit: options.memoryLimit)
        candidates = RunSorter(memoryLimit: options.memoryLimit / 4)
    }

    /// Takes a record. The id is hashed here, once for each record.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` when the id is none of the network; ``StoreError/diskFull(path:)``
    ///   and the like from temporary files.
    public func add(_ peer: ImportedPeer) throws(StoreError) {
        let key = try store.network.key(of: peer.id)
        try peers.add(
            keyCount: Key.byteCount, { bytes in key.withBytes { bytes.append(contentsOf: $0) } },
            payload: { codec.append(peer, to: &$0) })
    }

    /// Takes an address without an id.
    public func add(_ candidate: Candidate) throws(StoreError) {
        try candidates.add(
            keyCount: candidate.address.bytes.count, { $0.append(contentsOf: candidate.address.bytes) },
            payload: { bytes in
                ImportedPeerCodec.append(candidate.firstSeen.milliseconds, to: &bytes)
                ImportedPeerCodec.append(candidate.lastSeen.milliseconds, to: &bytes)
                ImportedPeerCodec.append(candidate.lastTried, to: &bytes)
                Varint.append(UInt64(clamping: candidate.tries), to: &bytes)
                Varint.append(UInt64(codec.number(of: candidate.source)), to: &bytes)
            })
    }

    /// Merges everything that was added.
    ///
    /// - Parameter progress: called now and then with the number of records that are done.
    public func finish(progress: (@Sendable (Int) -> Void)? = nil) async throws(StoreError) -> BulkSummary {
        let pass = Pass(peers: peers, candidates: candidates, codec: codec, options: options)
        while try await writer.perform({ try pass.step($0, limit: Self.chunk) }) {
            progress?(pass.done)
            if Task.isCancelled { throw .interrupted(done: pass.done) }
        }
        progress?(pass.done)
        if !options.isDryRun {
            try await writer.perform { writer in
                writer.noteUnannounced()
                try writer.flush()
            }
        }
        return pass.summary
    }
}

/// The state of a load between its transactions. Touched on the writer's queue, one step at a time.
private final class Pass: @unchecked Sendable {
    private let peers: RunSorter
    private let candidates: RunSorter
    private var codec: ImportedPeerCodec
    private let options: BulkOptions
    private var head: RunRecord?
    private var candidateHead: RunRecord?
    private var isStarted = false
    /// The first stored key at or after the last one that was asked for, as of this transaction.
    private var ahead = Ahead.unknown

    private enum Ahead: Equatable {
        case unknown
        case at(Key)
        case end
    }

    private(set) var summary = BulkSummary()
    private(set) var done = 0

    init(peers: RunSorter, candidates: RunSorter, codec: ImportedPeerCodec, options: BulkOptions) {
        self.peers = peers
        self.candidates = candidates
        self.codec = codec
        self.options = options
    }

    /// One transaction's worth of rows.
    ///
    /// - Returns: whether there is more.
    func step(_ writer: Writer, limit: Int) throws -> Bool {
        if !isStarted {
            isStarted = true
            try writer.commitPending()
            head = try peers.next()
            candidateHead = try candidates.next()
        }
        guard head != nil || candidateHead != nil else { return false }
        ahead = .unknown
        let before = (summary, done)
        do {
            if options.isDryRun {
                try merge(writer.records(), limit)
            } else {
                try writer.transaction { try merge($0, limit) }
            }
        } catch {
            (summary, done) = before
            throw error
        }
        return head != nil || candidateHead != nil
    }

    private func merge(_ records: RecordWriter, _ limit: Int) throws {
        var rows = 0
        while rows < limit, let first = head {
            try mergePeer(first, records)
            rows += 1
        }
        while rows < limit, let first = candidateHead {
            try mergeCandidate(first, records)
            rows += 1
        }
    }

    /// Merges all records of one peer.
    private func mergePeer(_ first: RunRecord, _ records: RecordWriter) throws {
        guard let key = first.key.withUnsafeBytes({ Key(bytes: $0) }) else {
            throw StoreError.invalidRecord("a key of a run is damaged")
        }
        let stored: PeerRecord?
        do {
            stored = try isStored(key, records.reader) ? records.reader.record(of: key) : nil
        } catch StoreError.corrupt {
            try skip(first)
            return
        }
        var merged = stored
        var next: RunRecord? = first
        while let entry = next, entry.hasKey(of: first) {
            let foreign = try codec.read(entry.payload)
            var record: PeerRecord
            if let merged {
                record = merged
            } else {
                let firstSeen = foreign.firstSeen ?? foreign.lastSeen ?? options.now
                record = PeerRecord(
                    peer: Peer(id: foreign.id, key: key), firstSeen: firstSeen, source: foreign.source)
            }
            record.merge(foreign, trustingHistory: options.trustsHistory)
            merged = record
            done += 1
            next = try peers.next()
        }
        head = next
        summary.peers.note(stored, merged)
        if !options.isDryRun { try records.replace(stored, with: merged, key: key) }
    }

    /// Leaves out all records of a peer whose row is damaged.
    private func skip(_ first: RunRecord) throws {
        summary.damagedPeers += 1
        repeat {
            done += 1
            head = try peers.next()
        } while head?.hasKey(of: first) ?? false
    }

    /// Whether the table has a key. Keys come in order, so one look ahead answers for all keys up to the next row: loading
    /// into an empty store, or past its end, searches nothing.
    private func isStored(_ key: Key, _ reader: RecordReader) throws -> Bool {
        if case .at(let next) = ahead, next >= key { return next == key }
        if case .end = ahead { return false }
        ahead = try reader.firstKey(from: key).map { .at($0) } ?? .end
        return ahead == .at(key)
    }

    private func mergeCandidate(_ first: RunRecord, _ records: RecordWriter) throws {
        let address = try Multiaddr(bytes: first.key)
        let stored = try records.reader.candidate(at: address)
        var merged = stored
        var next: RunRecord? = first
        while let entry = next, entry.hasKey(of: first) {
            var payload = PayloadReader(entry.payload)
            let firstSeen = Instant(milliseconds: try payload.integer())
            let lastSeen = Instant(milliseconds: try payload.integer())
            let lastTried = try payload.instant()
            let tries = Int(clamping: try payload.varint())
            let source = codec.source(Int(clamping: try payload.varint()))
            var candidate =
                merged
                ?? Candidate(address: address, firstSeen: firstSeen, lastSeen: lastSeen, source: source)
            // Stamps equal to the load's own time mean that the file has none: they tell nothing new.
            if stored == nil || lastSeen != options.now {
                candidate.firstSeen = min(candidate.firstSeen, firstSeen)
                candidate.lastSeen = max(candidate.lastSeen, lastSeen)
            }
            if options.trustsHistory {
                candidate.tries = max(candidate.tries, tries)
                if let lastTried { candidate.lastTried = max(candidate.lastTried ?? lastTried, lastTried) }
            }
            merged = candidate
            done += 1
            next = try candidates.next()
        }
        candidateHead = next
        summary.candidates.note(stored, merged)
        if !options.isDryRun { try records.replace(stored, with: merged, address: address) }
    }
}

extension Store {
    /// Begins a bulk load of foreign records.
    public func bulkLoader(_ options: BulkOptions) throws(StoreError) -> BulkLoader {
        guard let writer else { throw .readOnly(path: path) }
        return BulkLoader(store: self, writer: writer, options: options)
    }
}
