import ArgumentParser

@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures kadstore against its limits and peers, on the same work in one run.",
        subcommands: [Fill.self, NearestBenchmark.self])
}
