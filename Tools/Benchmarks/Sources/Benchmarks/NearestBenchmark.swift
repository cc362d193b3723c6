import ArgumentParser
import CBaseline
import KadStore
import Kademlia

/// Nearest 20 from disk, results materialised, against a raw scan of 20 rows of the same table in C.
struct NearestBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nearest", abstract: "Nearest 20 of a store, as a ratio to a raw 20-row range scan in C.")

    @Argument(help: "A store made by 'fill'.") var path: String
    @Option(help: "Queries in a round.") var queries = 20_000
    @Option(help: "Rounds, interleaved.") var rounds = 7
    @Option var count = 20
    @Option(help: "Run only one side, for instruction counts: store or raw.") var only: String?

    func run() async throws {
        let store = try await Store.open(path, mode: .readOnly)
        guard let raw = baseline_open(path, 65_536) else { throw ValidationError("cannot open \(path)") }
        defer { baseline_close(raw) }
        var generator = SeededGenerator(seed: 42)
        let targets = (0..<queries).map { _ in Key.random(using: &generator) }
        let clock = ContinuousClock()
        var ours: [Double] = []
        var theirs: [Double] = []
        var rows = 0
        var seeks = 0
        for round in 0...rounds {
            rows = 0
            seeks = 0
            var found = 0
            if only != "raw" {
                let elapsed = try clock.measure {
                    for target in targets {
                        let page = try store.nearest(to: target, count: count)
                        found += page.peers.count
                        rows += page.cost.rows
                        seeks += page.cost.seeks
                    }
                }
                if round > 0 { ours.append(microseconds(elapsed) / Double(queries)) }
            }
            if only != "store" {
                var sum: Int64 = 0
                let elapsed = clock.measure {
                    for target in targets {
                        sum &+= target.withBytes { baseline_scan(raw, $0.baseAddress, Int32(count)) }
                    }
                }
                if sum < 0 { throw ValidationError("the raw scan failed") }
                if round > 0 { theirs.append(microseconds(elapsed) / Double(queries)) }
            }
            if found > queries * count { throw ValidationError("too many results") }
        }
        try await store.close()
        if only == nil {
            let ratios = zip(ours, theirs).map { $0 / $1 }.sorted()
            print(
                "nearest \(count): \(median(ours)) us, raw scan \(median(theirs)) us, ratio \(ratios[ratios.count / 2])",
                "(\(ratios[0]) to \(ratios[ratios.count - 1])), rows \(Double(rows) / Double(queries)),",
                "seeks \(Double(seeks) / Double(queries))")
        }
    }

    private func microseconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) * 1e6 + Double(duration.components.attoseconds) / 1e12
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
