import ArgumentParser
import CBaseline
import Foundation
import KadSimulator
import KadStore

struct SoakBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Lets one node live for months of churn, and draws what its store takes.",
        discussion: """
            A simulated network, a real store in memory-backed files, some 10^7 events with the defaults. Each day's state goes \
            to stdout as a line of JSON; at the end the curves are drawn.
            """)

    @Option(help: "Days of the node's life.") var days = 120
    @Option(help: "Nodes that are ever born.") var nodes = 60_000
    @Option(help: "Seconds from one lookup to the next.") var interval = 30
    @Option(help: "Where everything begins.") var seed: UInt64 = 1
    @Option(help: "Where to draw the curves.") var svg: String?

    mutating func run() async throws {
        var soak = Soak()
        soak.days = days
        soak.nodes = nodes
        soak.lookupInterval = Int64(interval) * 1_000_000
        let clock = ContinuousClock()
        let start = clock.now
        let meter = Soak.Meter(
            nanoseconds: {
                let passed = (clock.now - start).components
                return passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000
            },
            residentBytes: Self.residentBytes)
        var days: [Day] = []
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try await soak.run(seed: seed, meter: meter) { sample in
            let day = Day(sample: sample, heapBytes: baseline_heap_bytes())
            days.append(day)
            // Not print, which would keep lines back for hours where a file takes them.
            try FileHandle.standardOutput.write(contentsOf: encoder.encode(Line(day)) + [UInt8(ascii: "\n")])
        }
        if let svg { try Self.plot(days).svg().write(toFile: svg, atomically: true, encoding: .utf8) }
    }

    @Sendable private static func residentBytes() -> Int {
        // Pages: size, resident, …
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return 0 }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    struct Day {
        let sample: Soak.Sample
        /// What the process has asked for and not given back: its memory but for what lies idle with the allocator.
        let heapBytes: Int64
    }

    private struct Line: Encodable {
        let version = 1
        let day: Double
        let events: Int64
        let peers, tombstones, values, providers, fileBytes, logBytes, residentBytes, heapBytes: Int64
        let commits: Int
        let commitMedianMicroseconds, commitP90Microseconds, commitP99Microseconds: Int64
        let nearestMedianNanoseconds, nearestP90Nanoseconds, nearestP99Nanoseconds: Int64

        init(_ day: Day) {
            let sample = day.sample
            let held = sample.statistics
            (self.day, events) = (sample.day, sample.events)
            (peers, tombstones) = (Int64(held.peers), Int64(held.tombstones))
            (values, providers) = (Int64(held.holdings.values.count), Int64(held.holdings.providers.count))
            (fileBytes, logBytes) = (held.fileBytes, held.logBytes)
            residentBytes = Int64(sample.residentBytes)
            heapBytes = day.heapBytes
            commits = sample.commits.count
            commitMedianMicroseconds = sample.commits.median / 1_000
            commitP90Microseconds = sample.commits.p90 / 1_000
            commitP99Microseconds = sample.commits.p99 / 1_000
            nearestMedianNanoseconds = sample.searches.median
            nearestP90Nanoseconds = sample.searches.p90
            nearestP99Nanoseconds = sample.searches.p99
        }
    }

    static func plot(_ days: [Day]) -> Plot {
        func series(_ name: String, _ value: (Soak.Sample) -> Double) -> Plot.Series {
            Plot.Series(name: name, points: days.map { (Double($0.sample.events) / 1e6, value($0.sample)) })
        }
        return Plot(
            title: "One node, \(Int(days.last?.sample.day ?? 0)) days of churn, collection on",
            axis: "million events",
            panels: [
                Plot.Panel(
                    title: "on disk, MB",
                    series: [
                        series("file") { Double($0.statistics.fileBytes) / 1e6 },
                        series("log") { Double($0.statistics.logBytes) / 1e6 },
                    ]),
                Plot.Panel(
                    title: "rows, thousands",
                    series: [
                        series("peers") { Double($0.statistics.peers) / 1e3 },
                        series("tombstones") { Double($0.statistics.tombstones) / 1e3 },
                        series("values") { Double($0.statistics.holdings.values.count) / 1e3 },
                    ]),
                Plot.Panel(
                    title: "memory of the whole process, the simulated network included, MB",
                    series: [
                        series("resident") { Double($0.residentBytes) / 1e6 },
                        Plot.Series(
                            name: "in use",
                            points: days.map { (Double($0.sample.events) / 1e6, Double($0.heapBytes) / 1e6) }),
                    ]),
                Plot.Panel(
                    title: "a commit, ms",
                    series: [
                        series("median") { Double($0.commits.median) / 1e6 },
                        series("90 %") { Double($0.commits.p90) / 1e6 },
                        series("99 %") { Double($0.commits.p99) / 1e6 },
                    ]),
                Plot.Panel(
                    title: "the 20 nearest, microseconds",
                    series: [
                        series("median") { Double($0.searches.median) / 1e3 },
                        series("90 %") { Double($0.searches.p90) / 1e3 },
                        series("99 %") { Double($0.searches.p99) / 1e3 },
                    ]),
            ])
    }
}
