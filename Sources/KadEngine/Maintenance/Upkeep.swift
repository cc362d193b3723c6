import KadStore
import Kademlia
import Multiformats

/// What a running node does beside its lookups, and when: the state behind the timers.
struct Upkeep {
    var pacer: ProbePacer
    var refresh: RefreshSchedule?
    var revalidation: Revalidation?
    /// Nil while nothing is our own.
    var publishing: PublishingRound?
    /// Buckets whose contents the store does not have yet. Snapshots are written together: a busy bucket changes with
    /// every answer.
    var changedBuckets: Set<Int> = []
    var witnessesChanged = false
    var health = StoreHealth()
    /// When the running time that grows now began, by the clock that files keep: at the start, or when the clock last leapt.
    private(set) var sessionStart: Instant
    /// The mark of time that was there at the start: when the node last ran.
    let lastMark: Instant?
    var sweep: RetentionSweep

    private let configuration: EngineConfiguration
    private var recordedAt: Uptime
    private var markedAt: Uptime?
    /// Both clocks, when running time was last recorded.
    private var recordedTime: (now: Instant, uptime: Uptime)
    private var heard = HeardLately()
    private var bootstrappedAt: Uptime?

    init(
        store: Store, configuration: EngineConfiguration, lastMark: Instant?, now: Instant, time: Time
    ) throws(StoreError) {
        self.configuration = configuration
        self.lastMark = lastMark
        sessionStart = now
        recordedAt = time.uptime
        recordedTime = (now, time.uptime)
        pacer = ProbePacer(configuration: configuration.warmStart.pacer, at: time.uptime)
        sweep = RetentionSweep(at: time.uptime)
    }

    /// Whether there is something to record.
    var isChanged: Bool { !changedBuckets.isEmpty || witnessesChanged }

    func isRecordDue(at now: Uptime) -> Bool {
        isChanged && now.millisecondsSince(recordedAt) >= configuration.recordMilliseconds
    }

    func isMarkDue(at now: Uptime) -> Bool {
        markedAt.map { now.millisecondsSince($0) >= configuration.clockMilliseconds } ?? true
    }

    mutating func recorded(at now: Uptime) { recordedAt = now }
    mutating func marked(at now: Uptime) { markedAt = now }

    /// - Parameter isLinkDown: then only recording goes on.
    func nextTick(isLinkDown: Bool) -> Uptime? {
        var ticks = [markedAt?.advanced(byMilliseconds: configuration.clockMilliseconds) ?? recordedAt]
        if isChanged { ticks.append(recordedAt.advanced(byMilliseconds: configuration.recordMilliseconds)) }
        if configuration.maintains, !isLinkDown {
            ticks += [refresh?.nextTick, revalidation?.nextTick, sweep.nextTick, publishing?.nextTick].compactMap { $0 }
        }
        return ticks.min()
    }

    /// Whether the same was heard of the peer within the last minutes: hearing it again changes no row by much.
    mutating func heardLately(_ key: Key, _ addresses: [Multiaddr], at now: Uptime) -> Bool {
        heard.contains(key, addresses, at: now)
    }

    /// It is remembered now. Not before: what a source's quota refuses may still be told by another.
    mutating func hear(_ key: Key, _ addresses: [Multiaddr]) { heard.insert(key, addresses) }

    /// The running time up to now. Where the clock leapt or was set back meanwhile, by more than what counts as a restart, a
    /// new session begins: years that nobody lived through must age no row.
    mutating func session(until now: Instant, at uptime: Uptime) -> OnlineTime.Session {
        let elapsed = max(0, uptime.millisecondsSince(recordedTime.uptime))
        let leap = now.millisecondsSince(recordedTime.now.advanced(byMilliseconds: elapsed))
        if leap > OnlineTime.mergedGap || leap < -OnlineTime.mergedGap {
            sessionStart = now.advanced(byMilliseconds: -elapsed)
        }
        recordedTime = (now, uptime)
        return OnlineTime.Session(start: sessionStart, end: max(sessionStart, now))
    }

    mutating func mayBootstrap(at now: Uptime) -> Bool {
        if let bootstrappedAt, now.millisecondsSince(bootstrappedAt) < configuration.refresh.retryMilliseconds {
            return false
        }
        bootstrappedAt = now
        return true
    }
}

/// What was heard in the last ten to twenty minutes, by peer: one number each for the addresses that were told.
///
/// The peers near a busy node are named in every answer; writing the same row again for each would be most of what is
/// written. Bounded, two generations.
struct HeardLately {
    private static let limit = 8_192
    private static let milliseconds: Int64 = 600_000
    private var young: [Key: UInt64] = [:]
    private var old: [Key: UInt64] = [:]
    private var turnedAt: Uptime?

    mutating func contains(_ key: Key, _ addresses: [Multiaddr], at now: Uptime) -> Bool {
        let age = turnedAt.map { now.millisecondsSince($0) } ?? 0
        if turnedAt == nil || age >= Self.milliseconds || young.count >= Self.limit {
            old = age >= 2 * Self.milliseconds ? [:] : young
            young = [:]
            turnedAt = now
        }
        let mark = Self.digest(addresses)
        return young[key] == mark || old[key] == mark
    }

    mutating func insert(_ key: Key, _ addresses: [Multiaddr]) { young[key] = Self.digest(addresses) }

    /// FNV-1a: it tells lists apart, nothing rests on it.
    private static func digest(_ addresses: [Multiaddr]) -> UInt64 {
        addresses.reduce(0xcbf2_9ce4_8422_2325) { digest, address in
            address.bytes.reduce((digest ^ 0xff) &* 0x100_0000_01b3) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        }
    }
}
