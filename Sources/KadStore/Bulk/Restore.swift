import Kademlia

/// A piece of a full copy of a store.
public enum RestoreItem: Hashable, Sendable {
    case peer(PeerRecord)
    case candidate(Candidate)
    case tombstone(Tombstone)
    case identity(Identity)
    /// After the peers that are its contacts, and after its identity.
    case bucket(BucketSnapshot, identity: Int64)
    case clock(ClockMark)
    /// After its peer.
    case held(OutageGuard.Held)
    case witnesses([OutageGuard.Witness], canaryAt: Instant?)
    case session(OnlineTime.Session)
    /// After its identity; oldest first. Not added to the sums: those come by themselves.
    case lookup(LookupSummary)
    case lookupTotals(LookupTotals)
}

extension Store {
    /// Fills an empty store with every field as it is given: all of it, or, when anything fails, nothing. Values, providers
    /// and crawls are of no such copy: ``backup(to:_:)`` has them.
    ///
    /// - Parameter next: gives the items one by one, nil at the end. Runs on the store's own queue, inside the one
    ///   transaction; whatever it throws ends the restore and reaches the caller.
    /// - Returns: how many items there were.
    /// - Throws: ``StoreError/notEmpty(path:)``, other cases of ``StoreError``, and what `next` throws.
    @discardableResult
    public func restore(_ next: @escaping @Sendable () throws -> RestoreItem?) async throws -> Int {
        guard let writer else { throw StoreError.readOnly(path: path) }
        let path = self.path
        let outcome: Result<Int, any Error> = try await writer.perform { writer in
            do {
                try writer.commitPending()
                let count = try writer.transaction { records in
                    let connection = records.reader.connection
                    guard try !Self.hasContents(connection) else { throw StoreError.notEmpty(path: path) }
                    var count = 0
                    while let item = try next() {
                        try records.insert(item)
                        count += 1
                    }
                    return count
                }
                try writer.makeRoomForAllPeers()
                writer.noteUnannounced()
                try writer.flush()
                return .success(count)
            } catch {
                return .failure(error)
            }
        }
        do {
            return try outcome.get()
        } catch let error as SQLiteError {
            throw StoreError(error, path: path)
        }
    }

    /// Whether a store holds anything that a node or a person would miss.
    static func hasContents(_ connection: Connection) throws(SQLiteError) -> Bool {
        for table in contents where try connection.integer(table) != 0 { return true }
        return false
    }

    private static let contents: [StaticString] = [
        "SELECT EXISTS (SELECT 1 FROM peer)", "SELECT EXISTS (SELECT 1 FROM candidate)",
        "SELECT EXISTS (SELECT 1 FROM tombstone)", "SELECT EXISTS (SELECT 1 FROM identity)",
        "SELECT EXISTS (SELECT 1 FROM session)", "SELECT EXISTS (SELECT 1 FROM lookup_total)",
        "SELECT EXISTS (SELECT 1 FROM lookup_summary)", "SELECT EXISTS (SELECT 1 FROM value)",
        "SELECT EXISTS (SELECT 1 FROM provider)", "SELECT EXISTS (SELECT 1 FROM crawl)",
    ]
}

extension RecordWriter {
    fileprivate func insert(_ item: RestoreItem) throws {
        switch item {
        case .peer(let record):
            if let contradiction = record.contradiction {
                throw StoreError.invalidRecord(
                    "peer \(record.key.hex(byteCount: reader.width)): \(contradiction)")
            }
            guard try reader.record(of: record.key) == nil else {
                throw StoreError.invalidRecord("peer \(record.key.hex(byteCount: reader.width)) is there twice")
            }
            try replace(nil, with: record, key: record.key)
        case .candidate(let candidate): try replace(nil, with: candidate, address: candidate.address)
        case .tombstone(let tombstone): try write(tombstone)
        case .identity(let identity): try insert(identity)
        case .bucket(let bucket, let identity): try write(bucket, identity: identity)
        case .clock(let mark): try write(mark)
        case .held(let held):
            try require(
                connection.integer("SELECT count(*) FROM held"), below: Store.maximumHeldFailures, "held failures")
            guard held.count > 0 else { throw StoreError.invalidRecord("a held failure of \(held.count) attempts") }
            try write(held)
        case .witnesses(let witnesses, let canaryAt): try write(witnesses, canaryAt: canaryAt)
        case .session(let session):
            try require(connection.integer("SELECT count(*) FROM session"), below: OnlineTime.maximumCount, "sessions")
            guard session.start <= session.end else {
                throw StoreError.invalidRecord("a session that ends before it starts")
            }
            try write(session)
        case .lookup(let summary):
            try require(
                connection.integer("SELECT count(*) FROM lookup_summary"), below: LookupSummary.maximumCount, "lookups")
            if let contradiction = summary.contradiction { throw StoreError.invalidRecord(contradiction) }
            try append(summary)
        case .lookupTotals(let totals):
            if let contradiction = totals.contradiction { throw StoreError.invalidRecord(contradiction) }
            try write(totals)
        }
    }

    private func require(_ count: Int64, below limit: Int, _ what: String) throws {
        guard count < Int64(limit) else { throw StoreError.invalidRecord("more than \(limit) \(what)") }
    }
}
