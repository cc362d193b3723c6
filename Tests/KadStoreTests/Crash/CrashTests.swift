import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

/// How long the tests of crashes take: a sample of all moments, or every one.
enum Thorough {
    static let isAsked = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["KADSTORE_SEED"].flatMap { UInt64($0) } ?? 1
    }

    /// Every number from 1, or a sample of them.
    static func moments(_ count: Int, sample: Int, using generator: inout SeededGenerator) -> [Int] {
        let all = Array(1...max(1, count))
        return isAsked || count <= sample ? all : Array(all.shuffled(using: &generator).prefix(sample)).sorted()
    }
}

@Suite("A power cut at any write") struct CrashTests {
    @Test("leaves a sound store with everything that was acknowledged, and nothing half", arguments: Workload.all)
    func powerCut(workload: Workload) async throws {
        var generator = SeededGenerator(seed: Thorough.seed)
        let trial = try await Trial(workload)
        let count = try await trial.changes()
        var images = 0
        for moment in Thorough.moments(count, sample: 5, using: &generator) {
            images += try await trial.cutPower(at: moment, using: &generator)
        }
        print("\(workload): \(count) operations, \(images) images")
    }
}
