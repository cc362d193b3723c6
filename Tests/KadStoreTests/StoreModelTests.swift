import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

@Suite("The store, against a model")
struct StoreModelTests {
    /// `KADSTORE_THOROUGH=1` runs the long form.
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    /// Two stores on one file commit when told to or five events at a time, keep much or hardly anything for others, and
    /// have wide or narrow keys and room for few or many events that wait.
    private static func setup(_ seed: UInt64) -> ModelRun.Setup {
        var setup = ModelRun.Setup()
        setup.limits.providersPerKey = 3
        if seed & 1 == 0 { setup.batchCount = 5 } else { setup.queueLimit = 25 }
        if seed & 2 == 0 { (setup.limits.values, setup.limits.valueBytes, setup.limits.providers) = (4, 70, 9) }
        if seed & 4 == 0 { setup.network = .test(160) }
        return setup
    }

    @Test(
        "says what lists and sets would say: queued, committed, pruned, swept, restored, reopened, killed, out of time",
        arguments: Seeds.first(isThorough ? 200 : 8))
    func model(seed: UInt64) async throws {
        let setup = Self.setup(seed)
        var generator = ModelGenerator(seed: seed, network: setup.network)
        let operations = generator.list(count: Self.isThorough ? 1_500 : 250)
        guard let difference = await Self.difference(setup, operations) else { return }
        let (fewest, last) = await Self.shrunk(setup, operations, difference)
        let list = fewest.map { "  \($0)" }.joined(separator: "\n")
        Issue.record("seed \(seed): \(last)\nof these \(fewest.count) of \(operations.count) operations:\n\(list)")
    }

    private static func difference(
        _ setup: ModelRun.Setup, _ operations: [ModelOperation]
    ) async -> ModelDifference? {
        do {
            try await ModelRun(setup).run(operations)
            return nil
        } catch {
            return error as? ModelDifference ?? ModelDifference("\(error)")
        }
    }

    /// Leaves out what is not needed for the difference: halves, quarters and so on, as long as the runs allow it.
    private static func shrunk(
        _ setup: ModelRun.Setup, _ operations: [ModelOperation], _ difference: ModelDifference
    ) async -> ([ModelOperation], ModelDifference) {
        var (list, last) = (operations, difference)
        var size = max(1, list.count / 2)
        var runs = 400
        while true {
            let before = list.count
            var start = 0
            while start < list.count, runs > 0 {
                var fewer = list
                fewer.removeSubrange(start..<min(list.count, start + size))
                runs -= 1
                if let found = await Self.difference(setup, fewer) {
                    (list, last) = (fewer, found)
                } else {
                    start += size
                }
            }
            guard runs > 0, size > 1 || list.count < before else { return (list, last) }
            size = max(1, size / 2)
        }
    }
}
