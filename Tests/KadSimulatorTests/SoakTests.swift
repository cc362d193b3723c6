import KadEngine
import Kademlia
import Synchronization
import Testing

@testable import KadSimulator

/// The soak at a size that a debug build does in seconds: what a store takes levels off when peers come and go for ever.
@Suite("A soak")
struct SoakTests {
    private func samples(_ change: (inout Soak) -> Void = { _ in }) async throws -> [Soak.Sample] {
        var soak = Soak()
        soak.nodes = 1_500
        soak.days = 4
        soak.medianLifetime = Span.day / 4
        soak.lookupInterval = 2 * Span.hour
        soak.valuesPerHour = 5
        soak.restartDays = 2
        soak.commitInterval = Span.minute
        soak.engine.retention = Retention(configuration: .init(unseenMilliseconds: Span.day / 2 / Span.millisecond))
        soak.engine.refresh = .init(intervalMilliseconds: 12 * Span.hour / Span.millisecond)
        soak.engine.revalidation = .init(meanMilliseconds: 30 * Span.minute / Span.millisecond)
        soak.engine.clockMilliseconds = Span.hour / Span.millisecond
        change(&soak)
        let ticks = Mutex<Int64>(0)
        let meter = Soak.Meter(
            nanoseconds: {
                ticks.withLock { ticks in
                    ticks += 1
                    return ticks
                }
            }, residentBytes: { 0 })
        var samples: [Soak.Sample] = []
        try await soak.run(seed: 1, meter: meter) { samples.append($0) }
        return samples
    }

    @Test("levels off with forgetting, and only with it; over a restart")
    func levels() async throws {
        let samples = try await samples()
        try #require(samples.count == 4)
        #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.events < $1.events })
        #expect(samples.allSatisfy { $0.commits.count > 0 && $0.searches.count == 1_000 && $0.searches.median > 0 })
        func growth(_ value: (Soak.Sample) -> Int64) -> Double {
            Double(value(samples[3])) / Double(max(1, value(samples[2])))
        }
        // A small network: its size varies by a fifth from day to day.
        #expect(growth { Int64($0.statistics.peers) } < 1.5)
        #expect(growth { $0.statistics.holdings.values.count } < 1.2)
        #expect(growth { $0.statistics.holdings.providers.count } < 1.2)
        #expect(samples[3].statistics.holdings.values.count > 100)

        let hoarded = try await self.samples { $0.engine.retention = Retention() }
        #expect(try #require(hoarded.last).statistics.peers > 2 * samples[3].statistics.peers)
    }

    @Test("tells times by the nearest rank")
    func quantiles() {
        let quantiles = Quantiles((1...200).map(Int64.init).shuffled())
        #expect(
            (quantiles.count, quantiles.median, quantiles.p90, quantiles.p99, quantiles.greatest) == (
                200, 100, 180, 198, 200
            ))
        #expect(Quantiles([7]).p99 == 7)
        #expect(Quantiles([]).greatest == 0)
    }
}
