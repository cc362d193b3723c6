import Kademlia

/// Counts over table peer, page by page.
struct PeerTally {
    private let now: Instant
    private var last: Key?
    private var counts = Statistics()
    private var sources: [Int64: Int] = [:]
    private var agents: [Int64: Int] = [:]
    private var protocols: [Int64: Int] = [:]
    private var rtts = LogHistogram()

    private static let pageRows: Int64 = 16_384

    init(now: Instant) { self.now = now }

    /// Reads one page.
    ///
    /// - Returns: whether there may be more.
    mutating func page(_ reader: RecordReader) throws -> Bool {
        let query = try reader.connection.statement(
            """
            SELECT key, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, agent, protocols,
                   source, (SELECT max(last_at) FROM failure WHERE failure.key = peer.key)
            FROM peer WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last, width: reader.width) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Self.pageRows)
        var rows: Int64 = 0
        while try query.step() {
            rows += 1
            last = try reader.key(query)
            count(query)
        }
        return rows == Self.pageRows
    }

    private mutating func count(_ row: Statement) {
        counts.peers += 1
        var addresses = AddressCodec.AddressReader(row.array(1)[...])
        var found = 0
        while addresses.next() != nil { found += 1 }
        counts.addresses += found
        if found == 0 { counts.peersWithoutAddress += 1 }

        let first = Instant(milliseconds: row.int64(2))
        let seen = Instant(milliseconds: row.int64(3))
        counts.firstSeen = min(counts.firstSeen ?? first, first)
        counts.lastSeen = max(counts.lastSeen ?? seen, seen)
        let failed = row.optionalInt64(11)
        if let ok = row.optionalInt64(4) {
            counts.lastOK = max(counts.lastOK ?? Instant(milliseconds: ok), Instant(milliseconds: ok))
            if let failed, failed > ok { counts.failing += 1 } else { counts.answered += 1 }
        } else if failed != nil {
            counts.failing += 1
        } else {
            counts.unverified += 1
        }
        let notBefore = row.optionalInt64(5).map(Instant.init(milliseconds:))
        if BackoffState.remaining(notBefore: notBefore, wait: row.int64(6), at: now) > 0 { counts.backedOff += 1 }
        if let rtt = row.optionalInt64(7) { rtts.add(rtt) }
        if let agent = row.optionalInt64(8) { agents[agent, default: 0] += 1 }
        if let names = row.optionalInt64(9) { protocols[names, default: 0] += 1 }
        if let source = row.optionalInt64(10) { sources[source, default: 0] += 1 }
    }

    /// What was counted, the strings of the most frequent rows looked up.
    func statistics(_ strings: StringTables) throws -> Statistics {
        func top(_ table: StringTables.Table, _ counts: [Int64: Int]) throws -> [Statistics.Named] {
            let most = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Statistics.topCount)
            return try most.map { number, count in
                let name = try strings.name(table, number) ?? ""
                return Statistics.Named(name: name.split(separator: "\n").joined(separator: " "), count: count)
            }
        }
        var statistics = counts
        statistics.rtt = rtts.summary
        statistics.sources = try top(.source, sources)
        statistics.agents = try top(.agent, agents)
        statistics.protocols = try top(.protocolSet, protocols)
        return statistics
    }
}

/// Counts by magnitude: sixteen steps for each doubling, so a quantile is right to within 6 %, in constant memory.
struct LogHistogram {
    private var counts = [Int](repeating: 0, count: 64 * 16)
    private var total = 0

    mutating func add(_ value: Int64) {
        counts[Self.slot(UInt64(max(0, value)))] += 1
        total += 1
    }

    static func slot(_ value: UInt64) -> Int {
        guard value >= 16 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 3) * 16 + Int((value >> UInt64(exponent - 4)) & 15)
    }

    /// The smallest value of a slot.
    static func lowest(_ slot: Int) -> Int64 {
        guard slot >= 16 else { return Int64(slot) }
        return Int64(16 + (slot & 15)) << Int64(slot / 16 - 1)
    }

    func quantile(_ share: Double) -> Int64 {
        var rest = Int(Double(total - 1) * share)
        for (slot, count) in counts.enumerated() {
            if rest < count { return Self.lowest(slot) }
            rest -= count
        }
        return 0
    }

    var summary: Statistics.RTT? {
        guard total > 0 else { return nil }
        return Statistics.RTT(
            count: total, p10: quantile(0.1), p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99))
    }
}
