import ArgumentParser
import Dispatch

struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures kadstore against its limits and peers, on the same work in one run.",
        subcommands: [Fill.self, NearestBenchmark.self, SoakBenchmark.self])
}

/// Waits on a semaphore instead of handing the main thread to the dispatcher: callgrind, which counts the instructions,
/// does not survive `dispatch_main`.
@main
enum Main {
    static func main() {
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            await Benchmarks.main()
            done.signal()
        }
        done.wait()
    }
}
