import Kademlia

extension Uptime {
    static func seconds(_ seconds: Int64) -> Uptime { Uptime(milliseconds: seconds * 1000) }
}

/// Stores to start from.
enum WarmStore {
    static let one: UInt64 = 1 << 32
    static let hour: Int64 = 3_600_000
    /// The last mark of the clock in all of them.
    static let mark = Instant(milliseconds: 1_800_000_000_000)

    static func candidate(
        _ number: UInt64, group: NetworkGroup? = nil, bucket: Int = 0, source: UInt64? = nil, isMember: Bool = false,
        known hours: Int64 = 0, lastOK ago: Int64? = nil, daysSeen: UInt32 = 1, weight: UInt64 = one,
        availableIn: Int64 = 0, using generator: inout SeededGenerator
    ) -> WarmStart.Candidate {
        WarmStart.Candidate(
            key: Key(number, 0, 0, 0), group: group, bucket: bucket, source: source, isMember: isMember,
            firstSeen: mark.advanced(byMilliseconds: -hours * hour),
            lastOK: ago.map { mark.advanced(byMilliseconds: -$0) }, daysSeen: daysSeen, weight: weight,
            order: generator.next(), availableIn: availableIn)
    }

    /// A store of any shape: few or many groups, sources and buckets, and some peers of each kind.
    static func random(_ count: Int, using generator: inout SeededGenerator) -> [WarmStart.Candidate] {
        let groups = UInt32.random(in: 1...60, using: &generator)
        let sources = UInt64.random(in: 1...10, using: &generator)
        let buckets = Int.random(in: 1...20, using: &generator)
        return (0..<count).map { number in
            var bucket = 0
            while bucket < buckets - 1, Bool.random(using: &generator) { bucket += 1 }
            let hasAnswered = Int.random(in: 0..<4, using: &generator) > 0
            var candidate = candidate(
                UInt64(number),
                group: Int.random(in: 0..<10, using: &generator) == 0
                    ? nil : .ipv4(.random(in: 0..<groups, using: &generator)),
                bucket: bucket,
                source: Bool.random(using: &generator) ? .random(in: 0..<sources, using: &generator) : nil,
                isMember: Int.random(in: 0..<3, using: &generator) == 0, known: .random(in: 0...200, using: &generator),
                lastOK: hasAnswered ? .random(in: 0...10 * hour, using: &generator) : nil,
                daysSeen: UInt32(truncatingIfNeeded: generator.next()) & 0x7,
                weight: .random(in: 0...one, using: &generator), using: &generator)
            candidate.isFailing = Int.random(in: 0..<5, using: &generator) == 0
            if Int.random(in: 0..<5, using: &generator) == 0 {
                candidate.availableIn = .random(in: 1...100_000, using: &generator)
            }
            return candidate
        }
    }
}

/// What happened in a warm start that was driven to its end under a virtual clock.
struct WarmRun {
    var sent: [(key: Key, at: Uptime)] = []
    var ended: [Key: Uptime] = [:]
    var bootstrapAt: [Uptime] = []
    var finishedAt: Uptime?
    var statistics = WarmStart.Statistics()

    enum Outcome {
        case answers(Int64)
        case fails(Int64)
        case isSkipped, isLost
    }

    /// - Parameter outcome: what becomes of each probe, and after how many milliseconds.
    static func drive(_ start: WarmStart, at: Uptime, outcome: (Key) -> Outcome) -> WarmRun {
        var warm = start
        var run = WarmRun()
        var now = at
        var pending: [(at: Uptime, key: Key, answers: Bool)] = []
        for _ in 0..<1_000_000 {
            let due = pending.filter { $0.at <= now }.sorted { $0.at < $1.at }
            pending.removeAll { $0.at <= now }
            for report in due {
                run.ended[report.key] = now
                if report.answers { warm.answered(report.key, at: now) } else { warm.failed(report.key, at: now) }
            }
            for directive in warm.poll(at: now) {
                switch directive {
                case .bootstrap: run.bootstrapAt.append(now)
                case .finished: run.finishedAt = now
                case .probe(let key):
                    switch outcome(key) {
                    case .answers(let delay):
                        run.sent.append((key, now))
                        pending.append((now.advanced(byMilliseconds: delay), key, true))
                    case .fails(let delay):
                        run.sent.append((key, now))
                        pending.append((now.advanced(byMilliseconds: delay), key, false))
                    case .isSkipped: warm.skipped(key, at: now)
                    case .isLost: run.sent.append((key, now))
                    }
                }
            }
            guard let tick = warm.nextTick else { break }
            let next = min(tick, pending.map(\.at).min() ?? tick)
            now = max(next, now.advanced(byMilliseconds: next <= now ? 1 : 0))
        }
        run.statistics = warm.statistics
        return run
    }
}
