import Kademlia
import Multiformats

/// Counts over table peer, page by page.
struct PeerTally {
    let now: Instant
    /// The bytes as they are: a key of another width, cut to ours, could lead back to the same page.
    private var last: [UInt8] = []
    private var counts = Statistics()
    private(set) var sources = FrequentItems<Int64>(capacity: Self.stringLimit)
    private var agents = FrequentItems<Int64>(capacity: Self.stringLimit)
    private var protocols = FrequentItems<Int64>(capacity: Self.stringLimit)
    private(set) var rtts = LogHistogram()

    private static let pageRows: Int64 = 16_384
    private static let stringLimit = 65_536

    /// What is gathered besides, of the same rows.
    private(set) var survey: SurveyTally?

    init(now: Instant, survey: SurveyTally? = nil) {
        self.now = now
        self.survey = survey
    }

    /// Peers counted so far.
    var peerCount: Int { counts.peers }

    /// Reads one page; with a survey also the histories of its peers, in the same short view.
    ///
    /// - Returns: whether there may be more.
    mutating func page(_ reader: RecordReader) throws -> Bool {
        guard survey != nil else { return try peers(reader) }
        return try reader.connection.readTransaction {
            let before = last
            let hasMore = try peers(reader)
            try survey?.addHistories(reader, after: before, through: last)
            return hasMore
        }
    }

    private mutating func peers(_ reader: RecordReader) throws -> Bool {
        let query = try reader.connection.statement(
            """
            SELECT key, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, agent, protocols,
                   source,
                   (SELECT max(last_at) FROM failure
                    WHERE failure.key = peer.key AND class NOT IN (7, 9, 10, 11)), -- FailureClass.countsAgainstPeer
                   days_seen, length(id)
            FROM peer WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, last).bind(2, Self.pageRows)
        var rows: Int64 = 0
        while try query.step() {
            rows += 1
            last = query.array(0)
            count(query, width: reader.width)
        }
        return rows == Self.pageRows
    }

    private mutating func count(_ row: Statement, width: Int) {
        counts.peers += 1
        var addresses = AddressCodec.AddressReader(row.array(1)[...])
        var found = 0
        var best: AddressCodec.AddressReader.Raw?
        while let address = addresses.next() {
            found += 1
            if best == nil || (address.hasAnswered && best?.hasAnswered == false) { best = address }
        }
        counts.addresses += found
        if found == 0 { counts.peersWithoutAddress += 1 }

        let first = Instant(milliseconds: row.int64(2))
        let seen = Instant(milliseconds: row.int64(3))
        counts.firstSeen = min(counts.firstSeen ?? first, first)
        counts.lastSeen = max(counts.lastSeen ?? seen, seen)
        let failed = row.optionalInt64(11)
        let failingBefore = counts.failing
        if let ok = row.optionalInt64(4) {
            counts.lastOK = max(counts.lastOK ?? Instant(milliseconds: ok), Instant(milliseconds: ok))
            if let failed, failed > ok { counts.failing += 1 } else { counts.answered += 1 }
        } else if failed != nil {
            counts.failing += 1
        } else {
            counts.unverified += 1
        }
        let notBefore = row.optionalInt64(5).map(Instant.init(milliseconds:))
        let remaining = BackoffState.remaining(notBefore: notBefore, wait: row.int64(6), at: now)
        if remaining > 0 { counts.backedOff += 1 }
        if let rtt = row.optionalInt64(7) { rtts.add(rtt) }
        if let agent = row.optionalInt64(8) { agents.add(agent) }
        if let names = row.optionalInt64(9) { protocols.add(names) }
        if let source = row.optionalInt64(10) { sources.add(source) }
        survey?.add(
            SurveyTally.Peer(
                key: last.count == width ? Key(bytes: last) : nil,
                isDamaged: addresses.isDamaged || !(1...Int64(PeerID.byteCounts.upperBound)).contains(row.int64(13)),
                address: best?.address, firstSeen: first, lastSeen: seen,
                lastOK: row.optionalInt64(4).map(Instant.init(milliseconds:)),
                isFailing: counts.failing > failingBefore, remaining: remaining,
                daysSeen: UInt32(truncatingIfNeeded: row.int64(12)), source: row.optionalInt64(10)))
    }

    /// What was counted, the strings of the most frequent rows looked up, and the other tables' counts.
    func statistics(_ reader: RecordReader) throws -> Statistics {
        func top(_ table: StringTables.Table, _ counts: FrequentItems<Int64>) throws -> [Statistics.Named] {
            try counts.top(Statistics.topCount, by: <).map { number, count in
                let name = try reader.strings.name(table, number) ?? ""
                return Statistics.Named(name: name.split(separator: "\n").joined(separator: " "), count: count)
            }
        }
        var statistics = counts
        statistics.rtt = rtts.summary
        statistics.sources = try top(.source, sources)
        statistics.agents = try top(.agent, agents)
        statistics.protocols = try top(.protocolSet, protocols)
        try statistics.countTables(reader)
        return statistics
    }
}
