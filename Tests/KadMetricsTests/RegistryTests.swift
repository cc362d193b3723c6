import CoreMetrics
import KadMetrics
import Testing

@Suite("What Prometheus is shown")
struct RegistryTests {
    private func counter(_ registry: PrometheusRegistry, _ label: String, _ dimensions: [(String, String)] = [])
        -> Counter
    {
        Counter(label: label, dimensions: dimensions, factory: registry)
    }

    @Test("is what was counted, with types, by an independent reader")
    func values() throws {
        let registry = PrometheusRegistry()
        counter(registry, "calls_total", [("outcome", "answered")]).increment(by: 3)
        counter(registry, "calls_total", [("outcome", "answered")]).increment()
        counter(registry, "calls_total", [("outcome", "timeout")]).increment(by: 2)
        FloatingPointCounter(label: "work", factory: registry).increment(by: 1.5)
        let gauge = Gauge(label: "contacts", factory: registry)
        gauge.record(20)
        gauge.record(7)
        let meter = Meter(label: "level", factory: registry)
        meter.set(4)
        meter.decrement(by: 1.5)
        let timer = Timer(label: "call", factory: registry)
        for milliseconds in [1, 3, 30, 100_000] { timer.recordMilliseconds(milliseconds) }
        let recorder = Recorder(label: "queries", factory: registry)
        for count in [1, 2, 3, 20_000] { recorder.record(count) }

        let shown = try Exposition(registry.text)
        #expect(
            shown.types == [
                "calls_total": "counter", "work_total": "counter", "contacts": "gauge", "level": "gauge",
                "call_seconds": "histogram", "queries": "histogram", "metrics_refused_total": "counter",
            ])
        #expect(shown.samples["calls_total{outcome=answered}"] == 4)
        #expect(shown.samples["calls_total{outcome=timeout}"] == 2)
        #expect(shown.samples["work_total"] == 1.5)
        #expect(shown.samples["contacts"] == 7)
        #expect(shown.samples["level"] == 2.5)
        #expect(shown.samples["call_seconds_count"] == 4)
        #expect(shown.samples["call_seconds_sum"].map { abs($0 - 100.034) < 1e-9 } == true)
        // A bound belongs to its bucket, and every bucket holds those before it.
        #expect(shown.samples["call_seconds_bucket{le=0.001}"] == 1)
        #expect(shown.samples["call_seconds_bucket{le=0.0025}"] == 1)
        #expect(shown.samples["call_seconds_bucket{le=0.005}"] == 2)
        #expect(shown.samples["call_seconds_bucket{le=60}"] == 3)
        #expect(shown.samples["call_seconds_bucket{le=+Inf}"] == 4)
        #expect(shown.samples["queries_bucket{le=2}"] == 2)
        #expect(shown.samples["queries_bucket{le=10000}"] == 3)
        #expect(shown.samples["queries_sum"] == 20_006)
        #expect(shown.samples["metrics_refused_total"] == 0)
        // A family stands together, under its type.
        let names = shown.order.map { $0.prefix { $0 != "{" } }
        #expect(names.firstIndex(of: "calls_total").map { names[$0 + 1] } == "calls_total")
    }

    @Test("survives any name and label: what others chose is escaped, and cut")
    func hostile() throws {
        let registry = PrometheusRegistry()
        let value = "a\"b\\c\nd} 99\n# TYPE x counter\n" + String(repeating: "é", count: 5_000)
        counter(registry, "3 bad\nname{}", [("le", "1"), ("__x:y", value), ("__x:y", "second")]).increment()
        Timer(label: "", dimensions: [("le", "x")], factory: registry).recordSeconds(1)
        Gauge(label: "odd", factory: registry).record(Double.nan)
        Gauge(label: "big", factory: registry).record(-Double.infinity)
        Recorder(label: "sum", factory: registry).record(Double.nan)
        let shown = try Exposition(registry.text)
        let kept = String(value.unicodeScalars.prefix(128))
        #expect(shown.samples["_3_bad_name___total{__x_y=\(kept),le_=1}"] == 1)
        #expect(shown.types["_3_bad_name___total"] == "counter")
        #expect(shown.samples["__seconds_bucket{le_=x,le=1}"] == 1)
        #expect(shown.samples["odd"]?.isNaN == true)
        #expect(shown.samples["big"] == -.infinity)
        #expect(shown.samples["sum_count"] == 0)
        #expect(registry.text.utf8.count < 8_192)
    }

    @Test("is bounded: names and labels beyond the limits are refused and counted, and a name keeps its type")
    func bounded() throws {
        var limits = PrometheusRegistry.Limits()
        limits.families = 3
        limits.seriesPerFamily = 4
        let registry = PrometheusRegistry(limits: limits)
        for number in 0..<10 { counter(registry, "peers", [("peer", "\(number)")]).increment() }
        for number in 0..<10 { Gauge(label: "gauge\(number)", factory: registry).record(1) }
        Gauge(label: "peers_total", factory: registry).record(5)
        let shown = try Exposition(registry.text)
        #expect(shown.samples["peers_total{peer=3}"] == 1)
        #expect(shown.samples["peers_total{peer=4}"] == nil)
        #expect(shown.samples["gauge1"] == 1 && shown.samples["gauge2"] == nil)
        #expect(shown.samples["metrics_refused_total"] == 15)
        #expect(shown.samples.count == 7)
    }

    @Test("loses no count to threads that count at once")
    func concurrent() async throws {
        let registry = PrometheusRegistry()
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<1_000 {
                        Counter(label: "n", dimensions: [("task", "\((task + number) % 4)")], factory: registry)
                            .increment()
                    }
                }
            }
        }
        let shown = try Exposition(registry.text)
        #expect((0..<4).reduce(0) { $0 + (shown.samples["n_total{task=\($1)}"] ?? 0) } == 8_000)
    }
}
