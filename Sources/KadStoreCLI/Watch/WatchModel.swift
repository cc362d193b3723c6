import KadStore
import Kademlia

/// What a watch has seen so far: the latest look, and what the looks add up to.
struct WatchModel {
    /// One look's share of a sparkline.
    struct Sample: Equatable {
        var peers: Int
        var answers: Double
        var failures: Double
    }

    /// What was counted over the whole store, and when.
    struct Counts {
        let statistics: Statistics
        let at: Instant
    }

    static let maximumSamples = 512
    static let maximumRecent = 64

    let startedAt: Instant
    private(set) var looks = 0
    private(set) var look: WatchedStore.Look?
    /// The time between the last two looks.
    private(set) var elapsedMilliseconds: Int64 = 0
    private(set) var samples: [Sample] = []
    /// Who answered or failed, the latest first.
    private(set) var recent: [Glance.Change] = []
    private(set) var failures: [FailureClass: Int] = [:]
    private(set) var answerCount = 0
    private(set) var failureCount = 0
    private(set) var peersAtStart: Int?
    private(set) var lookupsAtStart: Int?
    var counts: Counts?

    init(startedAt: Instant) { self.startedAt = startedAt }

    /// Takes in a look.
    ///
    /// - Parameter elapsed: milliseconds since the look before, by a clock that nobody sets.
    mutating func take(_ look: WatchedStore.Look, elapsed: Int64) {
        let glance = look.glance
        looks += 1
        self.look = look
        elapsedMilliseconds = elapsed
        peersAtStart = peersAtStart ?? glance.peers
        lookupsAtStart = lookupsAtStart ?? glance.lookups.count
        samples.append(
            Sample(peers: glance.peers, answers: rate(glance.answers), failures: rate(glance.failures)))
        samples.removeFirst(max(0, samples.count - Self.maximumSamples))
        for change in glance.changes {
            recent.removeAll { $0.key == change.key && $0.at < change.at }
        }
        recent = (glance.changes + recent).sorted { ($1.at, $0.key) < ($0.at, $1.key) }
        recent.removeLast(max(0, recent.count - Self.maximumRecent))
        for (failureClass, count) in glance.failuresByClass {
            failures[failureClass] = Self.sum(failures[failureClass] ?? 0, count)
        }
        answerCount = Self.sum(answerCount, glance.answers)
        failureCount = Self.sum(failureCount, glance.failures)
    }

    /// There is another file under the name: what was seen of the first says nothing about it.
    mutating func startAnew() { self = WatchModel(startedAt: startedAt) }

    /// Times a second; 0 at the first look, before which nothing is known.
    func rate(_ count: Int) -> Double {
        elapsedMilliseconds > 0 ? Double(count) * 1_000 / Double(elapsedMilliseconds) : 0
    }

    /// Failures since the start by class, most frequent first.
    var failuresByClass: [(class: FailureClass, count: Int)] {
        failures.map { ($0.key, $0.value) }.sorted { ($1.1, $0.0.rawValue) < ($0.1, $1.0.rawValue) }
    }

    /// The lookups of the last `milliseconds`, of those that the store remembers one by one.
    func lookups(within milliseconds: Int64, now: Instant) -> [LookupSummary] {
        (look?.glance.lookups.recent ?? []).filter {
            (0...milliseconds).contains(now.millisecondsSince($0.finishedAt))
        }
    }

    /// Counts come from a file, which may say anything.
    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

/// Numbers as a row of bars, the latest last.
enum Sparkline {
    private static let bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let plainBars = ["_", ".", ":", "-", "=", "+", "*", "#"]

    /// - Parameter fromZero: whether the lowest bar stands for zero, rather than for the least of the numbers.
    static func text(_ values: [Double], width: Int, fromZero: Bool, _ terminal: Terminal) -> String {
        let shown = values.suffix(max(0, width)).map { $0.isFinite ? $0 : 0 }
        guard let most = shown.max(), let least = shown.min() else { return "" }
        let bottom = fromZero ? 0 : least
        let range = most - bottom
        return shown.map { value in
            let share = range > 0 ? min(max(0, (value - bottom) / range), 1) : 0
            let level = Int((share * Double(bars.count - 1)).rounded(.up))
            return terminal.symbol(bars[level], plainBars[level])
        }.joined()
    }
}
