import Synchronization

/// How long something took, in nanoseconds.
public struct Quantiles: Hashable, Sendable {
    public let count: Int
    public let median: Int64
    public let p90: Int64
    public let p99: Int64
    public let greatest: Int64

    /// - Complexity: O(n log n).
    public init(_ times: [Int64]) {
        let sorted = times.sorted()
        // The nearest rank: a time that there was.
        func rank(_ permille: Int) -> Int64 {
            sorted.isEmpty ? 0 : sorted[max(0, (sorted.count * permille + 999) / 1_000 - 1)]
        }
        count = sorted.count
        median = rank(500)
        p90 = rank(900)
        p99 = rank(990)
        greatest = sorted.last ?? 0
    }
}

/// Collects times from wherever they are measured.
final class Stopwatch: Sendable {
    let meter: Soak.Meter
    private let times = Mutex<[Int64]>([])

    init(meter: Soak.Meter) { self.meter = meter }

    func note(since begin: Int64) {
        let time = meter.nanoseconds() - begin
        times.withLock { $0.append(time) }
    }

    /// What was noted since the last time.
    func take() -> Quantiles {
        times.withLock { times in
            defer { times.removeAll(keepingCapacity: true) }
            return Quantiles(times)
        }
    }
}
