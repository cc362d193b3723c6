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

    /// A write that went astray: each page is sound by itself, and no row of it is where it belongs.
    @Test(
        "of a store in which one page lies over another makes up no row, and tells what is gone",
        arguments: Seeds.first(1))
    func overwrittenPages(seed: UInt64) async throws {
        try await withTrial { trial in
            var generator = SeededGenerator(seed: seed)
            let connection = try Connection(path: trial.oracle.path, access: .readWrite)
            let query = try connection.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")
            var roots: Set<Int> = []
            while try query.step() { roots.insert(Int(query.int64(0))) }
            let pages = Array(2...trial.oracle.pageCount)
            for round in 0..<(Self.isThorough ? 2_000 : 60) {
                let source = pages.randomElement(using: &generator) ?? 2
                let target = pages.randomElement(using: &generator) ?? 3
                // A table that has become empty says nothing of what was in it.
                if roots.contains(target), trial.oracle.pages[source]?.rows == 0 { continue }
                // One time in three they change places.
                let isSwap = round % 3 == 0
                let path = try trial.damaged("over-\(round)") { bytes in
                    for index in 0..<SalvageOracle.pageBytes {
                        let (from, to) = (
                            (source - 1) * SalvageOracle.pageBytes, (target - 1) * SalvageOracle.pageBytes
                        )
                        let old = bytes[to + index]
                        bytes[to + index] = bytes[from + index]
                        if isSwap { bytes[from + index] = old }
                    }
                }
                // Rows under a page of another table like theirs may be taken for broken ones of that: they are told.
                try await trial.salvage(
                    path, pages: nil,
                    "seed \(seed): page \(source) \(isSwap ? "and" : "over") \(target)")
            }
        }
    }

    @Test("counts the names that peers had and that are gone")
    func lostNames() async throws {
        try await withTrial { trial in
            let connection = try Connection(path: trial.oracle.path, access: .readWrite)
            for table in ["agent", "protocol_set", "source"] {
                let query = try connection.prepare(
                    "SELECT rootpage, (SELECT count(*) FROM \(table)) FROM sqlite_schema WHERE name = '\(table)'")
                try #require(try query.step())
                let (root, count) = (Int(query.int64(0)), Int(query.int64(1)))
                let path = try trial.damaged("names-\(table)") { bytes in
                    let start = (root - 1) * SalvageOracle.pageBytes
                    for index in start..<start + SalvageOracle.pageBytes { bytes[index] = 0 }
                }
                let report = try #require(try await trial.salvage(path, pages: [root], "\(table) is gone"))
                let told = report.tables.first { $0.name == table }
                #expect(count > 0 && told?.lost == [.missing: count], "\(table): \(count), told \(told?.lost ?? [:])")
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
