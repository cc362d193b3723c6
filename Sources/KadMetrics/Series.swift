import CoreMetrics
import Synchronization

/// One line of numbers: a metric with one set of labels.
protocol Series: AnyObject, Sendable {
    func append(to text: inout String, name: String, labels: Labels)
}

/// A number that goes up, or up and down.
final class NumberSeries: Series, CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    func increment(by amount: Int64) { increment(by: Double(amount)) }

    func increment(by amount: Double) {
        guard !amount.isNaN else { return }
        value.withLock { $0 += amount }
    }

    func decrement(by amount: Double) { increment(by: -amount) }
    func reset() { value.withLock { $0 = 0 } }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    func append(to text: inout String, name: String, labels: Labels) {
        text += "\(name)\(labels) \(MetricNumber.text(value.withLock { $0 }))\n"
    }
}

/// How often values fell under each of some bounds, with their number and sum.
final class HistogramSeries: Series, RecorderHandler, TimerHandler {
    enum Bounds: Sendable {
        case seconds, counts

        /// Ascending; what is over the last counts in `+Inf` alone.
        var limits: [Double] {
            switch self {
            // From a call on one machine to the end of a lookup's patience.
            case .seconds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
            // Queries of a lookup, contacts, bytes of small messages.
            case .counts: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
            }
        }
    }

    private struct State {
        /// Of each bucket alone; the last is beyond all bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    private let limits: [Double]
    private let state: Mutex<State>

    init(bounds: Bounds) {
        limits = bounds.limits
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.limits.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        // A sum that is not a number would stay so for good.
        guard value.isFinite else { return }
        let bucket = limits.firstIndex { value <= $0 } ?? limits.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func append(to text: inout String, name: String, labels: Labels) {
        let state = state.withLock { $0 }
        var total: UInt64 = 0
        for (limit, count) in zip(limits.map(MetricNumber.text) + ["+Inf"], state.counts) {
            total += count
            text += "\(name)_bucket\(labels.with("le", limit)) \(total)\n"
        }
        text += "\(name)_sum\(labels) \(MetricNumber.text(state.sum))\n\(name)_count\(labels) \(total)\n"
    }
}
