import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Salvage")
struct SalvageTests {
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    private func withTrial(
        _ name: String = #function, peers: Int = 400, valueBytes: Int = 30_000,
        _ body: (SalvageTrial) async throws -> Void
    ) async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path(), peers: peers, valueBytes: valueBytes)
        let trial = SalvageTrial(oracle: oracle, folder: scratch.folder)
        try await body(trial)
        if trial.figures.files > 0 { Thorough.report("salvage: \(name): \(trial.figures)") }
    }

    @Test("of a sound store says so, and changes nothing")
    func sound() async throws {
        try await withTrial { trial in
            let before = try Data(contentsOf: URL(fileURLWithPath: trial.oracle.path))
            let report = try await Store.salvage(trial.oracle.path)
            #expect(report.outcome == .sound && report.kept.isEmpty && report.problem == nil)
            #expect(report.peers == trial.oracle.rows["peer"]?.count)
            #expect(try Data(contentsOf: URL(fileURLWithPath: trial.oracle.path)) == before)
            let files = try FileManager.default.contentsOfDirectory(atPath: trial.folder)
            #expect(!files.contains { $0.contains("corrupt") || $0.hasPrefix(".") })
        }
    }

    @Test("of a store with any one page zeroed keeps every row of the other pages")
    func zeroedPages() async throws {
        try await withTrial { trial in
            let step = Self.isThorough ? 1 : 5
            for page in Set(stride(from: 1, through: trial.oracle.pageCount, by: step)).union(1...6).sorted() {
                let path = try trial.damaged("zeroed-\(page)") { bytes in
                    let start = (page - 1) * SalvageOracle.pageBytes
                    for index in start..<start + SalvageOracle.pageBytes { bytes[index] = 0 }
                }
                try await trial.salvage(path, pages: [page], "page \(page) zeroed")
            }
        }
    }

    @Test("of a store cut off anywhere keeps every row of the pages that are left")
    func truncation() async throws {
        try await withTrial { trial in
            let count = trial.oracle.pageCount
            for kept in stride(from: 1, to: count, by: Self.isThorough ? 1 : max(1, count / 12)) {
                for extra in [0, 1_000] {
                    let path = try trial.damaged("cut-\(kept)-\(extra)") { bytes in
                        bytes.removeLast(bytes.count - kept * SalvageOracle.pageBytes - extra)
                    }
                    try await trial.salvage(
                        path, pages: Set(kept + 1...count), "cut off after \(kept) pages and \(extra) bytes")
                }
            }
        }
    }

    @Test("of a store with flipped bits ends with a sound one that holds nothing new", arguments: Seeds.first(1))
    func flippedBits(seed: UInt64) async throws {
        try await withTrial { trial in
            var generator = SeededGenerator(seed: seed)
            for round in 0..<(Self.isThorough ? 600 : 30) {
                var pages: Set<Int> = []
                let path = try trial.damaged("flipped-\(round)") { bytes in
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        // Half of them where pages have their structure.
                        let page = Int.random(in: 0..<trial.oracle.pageCount, using: &generator)
                        let range = Bool.random(using: &generator) ? 0..<128 : 0..<SalvageOracle.pageBytes
                        let place = page * SalvageOracle.pageBytes + Int.random(in: range, using: &generator)
                        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                        pages.insert(page + 1)
                    }
                }
                try await trial.salvage(path, pages: pages, "seed \(seed), round \(round), pages \(pages)")
            }
        }
    }
}
