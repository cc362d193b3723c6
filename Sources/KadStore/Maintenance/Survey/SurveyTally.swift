import Kademlia
import Multiformats

/// What a survey gathers beside the counts of ``PeerTally``, page by page.
struct SurveyTally {
    private let now: Instant
    private let today: Int64
    private var firstSeen, lastSeen, lastOK: TimeHistogram
    /// From ``firstDay`` to tomorrow.
    private var seenOnDay: [Int]
    private var groups = FrequentItems<NetworkGroup>(capacity: 131_072)
    private var peersWithoutGroup = 0
    private var waits = [Int](repeating: 0, count: Self.waitBounds.count)
    private var failures: [Survey.Failures]
    private var backoffs = FailureClass.allCases.map { Survey.Backoffs(failureClass: $0) }
    private var ranges: RangeTally?
    private var damagedRows = 0

    private static let day: Int64 = 86_400_000
    /// 32 days before the earliest date that is believed.
    private static let firstDay = TimeHistogram.earliest.milliseconds / day - 32
    /// Where the bins of waits end, in milliseconds: the waits of the failure classes lie between seconds and a week.
    private static let waitBounds: [Int64] =
        [1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60, 3 * 1_440, 7 * 1_440].map { $0 * 60_000 } + [.max]

    init(now: Instant, around key: Key?, keyBits: Int) {
        self.now = now
        // A clock that no clock can be is no reason to count more days than there can have been.
        today = min(max(Self.firstDay, now.milliseconds / Self.day), Self.firstDay + 1 << 16)
        seenOnDay = Array(repeating: 0, count: Int(today - Self.firstDay) + 2)
        let empty = TimeHistogram(now: now)
        (firstSeen, lastSeen, lastOK) = (empty, empty, empty)
        failures = FailureClass.allCases.map { Survey.Failures(failureClass: $0, first: empty, last: empty) }
        ranges = key.map { RangeTally(around: $0, keyBits: keyBits) }
    }

    /// A peer as its row has it.
    struct Peer {
        /// Nil where the bytes are none of this network.
        var key: Key?
        var isDamaged: Bool
        /// The address that last answered, or the first.
        var address: ArraySlice<UInt8>?
        var firstSeen, lastSeen: Instant
        var lastOK: Instant?
        var isFailing: Bool
        var remaining: Int64
        var daysSeen: UInt32
        var source: Int64?
    }

    mutating func add(_ peer: Peer) {
        firstSeen.add(peer.firstSeen)
        lastSeen.add(peer.lastSeen)
        if let ok = peer.lastOK { lastOK.add(ok) }
        countDays(peer)
        if peer.remaining > 0 {
            waits[Self.waitBounds.firstIndex { peer.remaining < $0 } ?? waits.count - 1] += 1
        }

        let address = peer.address.flatMap { try? Multiaddr(bytes: $0) }
        let group = address?.networkGroup(private: false)
        if let group { groups.add(group) } else { peersWithoutGroup += 1 }
        if peer.isDamaged || peer.key == nil || (peer.address != nil && address == nil) { damagedRows += 1 }
        guard let key = peer.key else { return }
        let health = Survey.health(lastOK: peer.lastOK, isFailing: peer.isFailing, at: now)
        ranges?.add(key, health, lastSeen: peer.lastSeen, group, source: peer.source)
    }

    /// Bit i of the mask is the day i days before the last one. Days that no clock can have meant are left out.
    private mutating func countDays(_ peer: Peer) {
        let last = peer.lastSeen.milliseconds / Self.day
        guard peer.lastSeen >= TimeHistogram.earliest, last <= today + 1 else { return }
        var bits = peer.daysSeen
        while bits != 0 {
            seenOnDay[Int(last - Self.firstDay) - bits.trailingZeroBitCount] += 1
            bits &= bits - 1
        }
    }

    /// Failures and backoffs of the peers of a page: two range scans, nothing is searched peer by peer.
    mutating func addHistories(_ reader: RecordReader, after first: [UInt8], through last: [UInt8]) throws {
        let failed = try reader.connection.statement(
            "SELECT class, count, first_at, last_at FROM failure WHERE key > ?1 AND key <= ?2")
        defer { failed.reset() }
        failed.bind(1, first).bind(2, last)
        while try failed.step() {
            guard let index = Self.index(ofClass: failed.int64(0)) else {
                damagedRows += 1
                continue
            }
            failures[index].count = failures[index].count.addingSaturated(Int(failed.int64(1)))
            failures[index].places += 1
            failures[index].first.add(Instant(milliseconds: failed.int64(2)))
            failures[index].last.add(Instant(milliseconds: failed.int64(3)))
        }
        let waiting = try reader.connection.statement(
            """
            SELECT backoff.class, breaker, not_before, wait_ms FROM backoff JOIN peer USING (key)
            WHERE key > ?1 AND key <= ?2
            """)
        defer { waiting.reset() }
        waiting.bind(1, first).bind(2, last)
        while try waiting.step() {
            guard let index = Self.index(ofClass: waiting.int64(0)),
                let breaker = BackoffState.Breaker(rawValue: UInt8(clamping: waiting.int64(1)))
            else {
                damagedRows += 1
                continue
            }
            let notBefore = waiting.optionalInt64(2).map(Instant.init(milliseconds:))
            let mustWait = BackoffState.remaining(notBefore: notBefore, wait: waiting.int64(3), at: now) > 0
            switch breaker {
            case .closed where mustWait: backoffs[index].waiting += 1
            case .closed: backoffs[index].ready += 1
            case .open where mustWait: backoffs[index].open += 1
            case .open: backoffs[index].trialDue += 1
            case .halfOpen: backoffs[index].halfOpen += 1
            }
        }
    }

    private static func index(ofClass number: Int64) -> Int? {
        guard let number = UInt8(exactly: number), let found = FailureClass(rawValue: number) else { return nil }
        return FailureClass.allCases.firstIndex(of: found)
    }
}

extension PeerTally {
    /// What was counted and gathered.
    func survey(_ reader: RecordReader, k: Int) throws -> Survey {
        let gathered = survey ?? SurveyTally(now: now, around: nil, keyBits: reader.network.keyBits)
        return try gathered.survey(statistics(reader), self, reader.strings, k: k)
    }
}

extension SurveyTally {
    /// What was gathered, the strings of the most frequent rows looked up.
    fileprivate func survey(_ statistics: Statistics, _ tally: PeerTally, _ strings: StringTables, k: Int) throws
        -> Survey
    {
        var durations = LogHistogram()
        for lookup in statistics.lookups.recent { durations.add(lookup.milliseconds) }
        let largest = groups.top(Survey.topCount) { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        let days = seenOnDay.enumerated().filter { $0.element > 0 }.map {
            (Self.firstDay + Int64($0.offset), $0.element)
        }
        let lower = [0] + Self.waitBounds.dropLast()
        return Survey(
            statistics: statistics, takenAt: now, damagedRows: damagedRows, firstSeen: firstSeen, lastSeen: lastSeen,
            lastOK: lastOK, seenOnDay: Dictionary(uniqueKeysWithValues: days), rtt: tally.rtts.bins,
            waits: zip(zip(lower, Self.waitBounds), waits).map {
                Survey.Bin(lower: $0.0, upper: $0.1, count: $1)
            },
            failures: failures.filter { $0.places > 0 },
            backoffs: backoffs.filter { $0 != Survey.Backoffs(failureClass: $0.failureClass) },
            lookupDurations: durations.bins, groups: groups.concentration,
            largestGroups: largest.map { Survey.Share(group: $0.item, count: $0.count) },
            peersWithoutGroup: peersWithoutGroup, sources: tally.sources.concentration,
            ranges: try ranges?.ranges(k: k) { try strings.name(.source, $0) } ?? [])
    }
}
