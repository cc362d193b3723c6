import Kademlia
import Multiformats

extension Store {
    /// Forgets what the rules choose. A peer that had failed leaves a tombstone, as when a node forgets it.
    ///
    /// Works in short transactions, page by page: others write in between, and what is done stays when it is cut off;
    /// the same rules go on from there. A dry run reads the same pages and decides by the same code, and works on a
    /// store that is open for reading.
    ///
    /// - Parameter progress: called now and then with the number of rows that were looked at.
    /// - Throws: ``StoreError/interrupted(done:)`` when the task is cancelled, with the number of rows that went.
    /// - Complexity: O(n); with ``PruneRules/keep`` twice, and eight bytes of memory for each peer that is chosen.
    public func prune(
        _ rules: PruneRules, isDryRun: Bool = false, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws(StoreError) -> PruneReport {
        guard !rules.isEmpty else { throw .invalidArgument("prune needs a rule: without one everything would go.") }
        if (rules.keep ?? 0) < 0 { throw .invalidArgument("\(rules.keep ?? 0) peers cannot be kept.") }
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        var pass = PrunePass(rules: rules, scope: scope, now: options.now())
        var rows = 0
        while !pass.isDone {
            if Task.isCancelled { throw .interrupted(done: isDryRun ? 0 : pass.report.removed) }
            let before = pass
            if isDryRun {
                pass = try await maintain { reader, _ in try before.step(reader, nil) }
            } else {
                guard let writer else { throw .readOnly(path: path) }
                pass = try await writer.perform { try before.step(try $0.records().reader, $0) }
            }
            rows += PrunePass.pageRows
            progress?(rows)
        }
        if let writer, !isDryRun {
            let isChanged = pass.report.removed > 0
            try await writer.perform { writer in
                if isChanged { writer.noteUnannounced() }
                // Also where nothing is left to do: a run before this one may have failed at just that.
                try writer.flush()
            }
        }
        return pass.report
    }
}

/// How far pruning has come.
private struct PrunePass: Sendable {
    let rules: PruneRules
    let scope: Scope
    let now: Instant
    private(set) var report = PruneReport()
    private var stage: Stage
    /// With `keep`: ranks of those who were chosen, then where the line is drawn.
    private var ranks: [UInt64] = []
    private var line: Line?

    private enum Stage: Hashable, Sendable {
        case ranking(after: Key?)
        case peers(after: Key?)
        case candidates(after: Multiaddr?)
        case tombstones(after: Key?)
        case expired
        case done
    }

    /// Above `rank` all go; at it, all but the first `spared`.
    private struct Line: Sendable {
        var rank: UInt64
        var spared: Int
    }

    /// Rows of one transaction: some 10 ms in which other writers wait.
    static let pageRows = 1_024

    init(rules: PruneRules, scope: Scope, now: Instant) {
        self.rules = rules
        self.scope = scope
        self.now = now
        stage =
            !rules.choosesPeers
            ? .candidates(after: nil) : rules.keep == nil ? .peers(after: nil) : .ranking(after: nil)
    }

    var isDone: Bool { stage == .done }

    /// Goes one page further.
    ///
    /// - Parameter writer: nil changes nothing.
    func step(_ reader: RecordReader, _ writer: Writer?) throws -> PrunePass {
        var next = self
        switch stage {
        case .ranking(let last): try next.rankPage(reader, last)
        case .peers(let last): try next.prunePeers(reader, writer, last)
        case .candidates(let last): try next.pruneCandidates(reader, writer, last)
        case .tombstones(let last): try next.pruneTombstones(reader, writer, last)
        case .expired: try next.pruneExpired(reader, writer)
        case .done: break
        }
        return next
    }

    // MARK: Peers

    private mutating func rankPage(_ reader: RecordReader, _ last: Key?) throws {
        let page = try reader.records(after: last, limit: Self.pageRows)
        for record in page.records where try isChosen(record, reader) {
            ranks.append(PruneRules.rank(record, at: now))
        }
        guard page.rows < Self.pageRows else {
            stage = .ranking(after: page.last)
            return
        }
        stage = .peers(after: nil)
        let keep = rules.keep ?? 0
        defer { ranks = [] }
        guard keep < ranks.count else {
            // Nobody is too many: nothing ranks above this.
            line = Line(rank: .max, spared: .max)
            return
        }
        ranks.sort()
        let rank = ranks[keep]
        line = Line(rank: rank, spared: keep - ranks.prefix(keep).count { $0 < rank })
    }

    /// Whether a record meets the conditions and is in no bucket.
    private func isChosen(_ record: PeerRecord, _ reader: RecordReader) throws -> Bool {
        try rules.accept(record, scope: scope) && !reader.isContact(record.key)
    }

    private mutating func prunePeers(_ reader: RecordReader, _ writer: Writer?, _ last: Key?) throws {
        // Chosen outside of the transaction: nobody waits for what is not written. Who is to go is looked at again inside.
        let page = try reader.records(after: last, limit: Self.pageRows)
        var chosen: [PeerRecord] = []
        for record in page.records where rules.accept(record, scope: scope) {
            if try reader.isContact(record.key) {
                report.contactsKept += 1
            } else if isOverTheLine(record) {
                chosen.append(record)
            }
        }
        report.examined += page.rows
        report.damaged += page.damaged.count
        if let writer, !chosen.isEmpty {
            let keys = chosen.map(\.key)
            let (rules, scope, now) = (rules, scope, now)
            let dropped = try writer.transaction { records in
                let dropped = try keys.compactMap { key -> PeerRecord? in
                    guard let record = try records.reader.record(of: key), rules.accept(record, scope: scope),
                        try !records.reader.isContact(key)
                    else { return nil }
                    try records.replace(record, with: nil, key: key)
                    if let stone = Tombstone(of: record, at: now) { try records.write(stone) }
                    return record
                }
                if dropped.contains(where: { Tombstone(of: $0, at: now) != nil }) {
                    try records.capTombstones(newest: now)
                }
                return dropped
            }
            count(dropped)
        } else {
            count(chosen)
        }
        stage = page.rows < Self.pageRows ? .candidates(after: nil) : .peers(after: page.last)
    }

    private mutating func count(_ dropped: [PeerRecord]) {
        report.peers += dropped.count
        report.tombstonesLeft += dropped.count { Tombstone(of: $0, at: now) != nil }
    }

    private mutating func isOverTheLine(_ record: PeerRecord) -> Bool {
        guard let line else { return true }
        let rank = PruneRules.rank(record, at: now)
        if rank != line.rank { return rank > line.rank }
        guard line.spared > 0 else { return true }
        self.line?.spared -= 1
        return false
    }

    // MARK: Candidates and tombstones

    private mutating func pruneCandidates(_ reader: RecordReader, _ writer: Writer?, _ last: Multiaddr?) throws {
        guard let before = rules.candidatesNotSeenSince else {
            stage = .tombstones(after: nil)
            return
        }
        let page = try reader.candidates(after: last, limit: Self.pageRows)
        report.damaged += page.damaged.count
        let chosen = page.rows.filter { $0.lastSeen < before }.map(\.address)
        if let writer, !chosen.isEmpty {
            report.candidates += try writer.transaction { records in
                try chosen.count { address in
                    guard let known = try records.reader.candidate(at: address), known.lastSeen < before else {
                        return false
                    }
                    try records.replace(known, with: nil, address: address)
                    return true
                }
            }
        } else {
            report.candidates += chosen.count
        }
        stage = page.end.map { .candidates(after: $0) } ?? .tombstones(after: nil)
    }

    private mutating func pruneTombstones(_ reader: RecordReader, _ writer: Writer?, _ last: Key?) throws {
        guard let before = rules.tombstonesBefore else {
            stage = .expired
            return
        }
        let page = try reader.tombstones(after: last, limit: Self.pageRows)
        report.damaged += page.damaged.count
        let chosen = page.rows.filter { $0.droppedAt < before }.map(\.key)
        if let writer, !chosen.isEmpty {
            report.tombstones += try writer.transaction { records in
                try chosen.count { key in
                    guard let known = try records.reader.tombstone(of: key), known.droppedAt < before else {
                        return false
                    }
                    try records.removeTombstone(of: key)
                    return true
                }
            }
        } else {
            report.tombstones += chosen.count
        }
        stage = page.end.map { .tombstones(after: $0) } ?? .expired
    }

    // MARK: Values and providers

    private mutating func pruneExpired(_ reader: RecordReader, _ writer: Writer?) throws {
        stage = .done
        guard let end = rules.expiredBy else { return }
        guard let writer else {
            report.expired = try reader.countExpired(by: end)
            return
        }
        let before = report.expired
        report.expired = try writer.sweep(at: end, before)
        if report.expired != before { stage = .expired }
    }
}

extension RecordReader {
    /// Whether a peer is in a bucket of an identity, or in its replacement cache.
    fileprivate func isContact(_ key: Key) throws -> Bool {
        let query = try connection.statement("SELECT 1 FROM member WHERE key = ?1 LIMIT 1")
        defer { query.reset() }
        return try query.bind(1, key, width: width).step()
    }
}
