import CoreMetrics
import Synchronization

/// Keeps what a process counts by swift-metrics, for Prometheus to fetch: hand it to `MetricsSystem.bootstrap`, and show
/// ``text``, or serve it (``MetricsServer``).
///
/// | swift-metrics | Prometheus |
/// |---|---|
/// | Counter, FloatingPointCounter | counter; its name ends in `_total` |
/// | Gauge, Meter, Recorder without aggregation | gauge |
/// | Recorder | histogram, bounds 1 to 10,000 |
/// | Timer | histogram in seconds, bounds 1 ms to 60 s; its name ends in `_seconds` |
///
/// Memory is bounded: what is beyond ``Limits`` is counted in `metrics_refused_total` and goes nowhere else. A name keeps
/// the type that it was made with first.
public final class PrometheusRegistry: MetricsFactory {
    public struct Limits: Hashable, Sendable {
        /// Names of metrics.
        public var families = 256
        /// Sets of labels of one name: a label that strangers choose must not take the process's memory.
        public var seriesPerFamily = 128

        public init() {}
    }

    private struct State {
        var families: [String: Family] = [:]
    }

    private struct Family {
        let type: MetricType
        var series: [Labels: any Series] = [:]
    }

    private let limits: Limits
    private let state = Mutex(State())
    private let refused = NumberSeries()
    private static let refusedName = "metrics_refused_total"

    public init(limits: Limits = Limits()) { self.limits = limits }

    // MARK: Exposition

    /// What version 0.0.4 of the text format says of itself.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Everything in the text format, version 0.0.4: in the order of names and labels.
    ///
    /// - Complexity: O(n log n) in the number of series, which is bounded.
    public var text: String {
        var families = state.withLock(\.families)
        families[Self.refusedName] = Family(type: .counter, series: [Labels([]): refused])
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) \(family.type.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.append(to: &text, name: name, labels: labels)
            }
        }
        return text
    }

    // MARK: Finding and making

    /// The series of this name and these labels; one that nobody reads where there is no more room, or the name is of another
    /// type.
    private func series<Kind: Series>(
        _ name: String, _ type: MetricType, _ dimensions: [(String, String)], _ make: () -> Kind
    ) -> Kind {
        let labels = Labels(dimensions)
        let found = state.withLock { state -> Kind? in
            if let family = state.families[name] {
                guard family.type == type else { return nil }
                if let series = family.series[labels] { return series as? Kind }
                guard family.series.count < limits.seriesPerFamily else { return nil }
            } else {
                guard state.families.count < limits.families, name != Self.refusedName else { return nil }
                state.families[name] = Family(type: type)
            }
            let series = make()
            state.families[name]?.series[labels] = series
            return series
        }
        if let found { return found }
        refused.increment(by: Int64(1))
        return make()
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(MetricName.counter(label), .counter, dimensions) { NumberSeries() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(MetricName.counter(label), .counter, dimensions) { NumberSeries() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(MetricName.plain(label), .gauge, dimensions) { NumberSeries() }
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else { return series(MetricName.plain(label), .gauge, dimensions) { NumberSeries() } }
        return series(MetricName.plain(label), .histogram, dimensions) { HistogramSeries(bounds: .counts) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(MetricName.seconds(label), .histogram, dimensions) { HistogramSeries(bounds: .seconds) }
    }

    // A series stays: a counter that came back at zero would look like a restart.

    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}

/// A `# TYPE`.
enum MetricType: String, Hashable, Sendable {
    case counter, gauge, histogram
}
