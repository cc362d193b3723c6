import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Salvage of a large store")
struct SalvageSizeTests {
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    @Test("keeps values of the largest size, and all peers but those of the damaged pages")
    func large() async throws {
        let scratch = Scratch()
        let count = Self.isThorough ? 100_000 : 3_000
        let oracle = try await SalvageOracle.make(
            scratch.path(), peers: count, valueBytes: StoredValue.maximumValueBytes)
        let trial = SalvageTrial(oracle: oracle, folder: scratch.folder)
        var generator = SeededGenerator(seed: 11)
        // An inner node among them: what lies below it is found all the same.
        let root = try Connection(path: oracle.path, access: .readOnly).integer(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'peer'")
        let leaves = oracle.pages.filter { $0.value.table == "peer" }.map(\.key).sorted()
        let pages = Set([Int(root)] + (0..<5).compactMap { _ in leaves.randomElement(using: &generator) })
        let path = try trial.damaged("large") { bytes in
            for page in pages { for index in (page - 1) * 4_096..<page * 4_096 { bytes[index] = 0 } }
        }
        let report = try #require(try await trial.salvage(path, pages: pages, "pages \(pages)"))
        #expect(report.outcome == .salvaged && report.fromOrphans > count / 2)
        #expect(report.expectedPeers == oracle.rows["peer"]?.count)
    }
}
