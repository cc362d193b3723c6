import Foundation
import Kademlia
import Migrations
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Salvage of a file of an earlier schema")
struct SalvageOlderTests {
    /// A sound file of a schema version, its log emptied, and what an upgrade makes of it.
    private func trial(_ scratch: Scratch, _ make: (String) async throws -> Void) async throws -> SalvageTrial {
        let (path, upgraded) = (scratch.path("old.db"), scratch.path("upgraded.db"))
        try await make(path)
        try Connection(path: path, access: .readWrite).checkpoint(truncating: true)
        try FileManager.default.copyItem(atPath: path, toPath: upgraded)
        try await Store.open(upgraded).close()
        return SalvageTrial(oracle: try SalvageOracle(path, upgraded: upgraded), folder: scratch.folder)
    }

    /// The file that was kept of the version: with something of everything, in a page or two for each table.
    private func fixture(_ version: Int, _ scratch: Scratch) async throws -> SalvageTrial {
        try await trial(scratch) { try OldFile.make("V000\(version)", at: $0) }
    }

    /// Some hundred peers, as a store of the version would have them.
    private func large(_ version: Int, _ scratch: Scratch) async throws -> SalvageTrial {
        let current = scratch.path("current.db")
        _ = try await SalvageOracle.make(current, peers: 300, valueBytes: 30_000)
        return try await trial(scratch) { path in
            let old = try Connection(path: path, access: .create)
            try old.execute("PRAGMA journal_mode = WAL; ATTACH '\(current)' AS current")
            try old.writeTransaction {
                try Migrator(connection: old, path: path).create(through: version, now: .seconds(0))
                for table in try SchemaLayout(version: version).tables where table.isTable {
                    guard table.name != "migration" else { continue }
                    let columns = table.columns.map(\.name).joined(separator: ", ")
                    try old.execute(
                        "INSERT OR REPLACE INTO main.\(table.name) (\(columns)) SELECT \(columns) FROM current.\(table.name)"
                    )
                }
            }
        }
    }

    private func zero(_ page: Int, of trial: SalvageTrial) throws -> String {
        try trial.damaged("zeroed-\(page)") { bytes in
            let start = (page - 1) * SalvageOracle.pageBytes
            for index in start..<start + SalvageOracle.pageBytes { bytes[index] = 0 }
        }
    }

    private func cut(after pages: Int, of trial: SalvageTrial) throws -> String {
        try trial.damaged("cut-\(pages)") { $0.removeLast($0.count - pages * SalvageOracle.pageBytes) }
    }

    @Test("that is sound says so, and which schema it has", arguments: [1, 2, 3])
    func sound(version: Int) async throws {
        let scratch = Scratch()
        let trial = try await fixture(version, scratch)
        let report = try await Store.salvage(trial.oracle.path)
        #expect(report.outcome == .sound && report.schema == version && report.isOlder && report.kept.isEmpty)
        #expect(report.peers == 6 && report.network == .libp2p)
        let connection = try Connection(path: trial.oracle.path, access: .readOnly)
        #expect(try connection.integer("PRAGMA user_version") == Int64(version))
    }

    @Test(
        "that another release of SQLite upgraded, which sets columns apart in its way, is sound; and its tables are found"
    )
    func otherSpaces() async throws {
        let scratch = Scratch()
        let path = scratch.path("current.db")
        _ = try await SalvageOracle.make(path, peers: 300, valueBytes: 10)
        let other = scratch.path("other.db")
        do {
            let file = try Connection(path: other, access: .create)
            try file.execute("PRAGMA journal_mode = WAL; ATTACH '\(path)' AS current")
            let migrator = Migrator(connection: file, path: other)
            try file.writeTransaction { try migrator.create(through: 3, now: .seconds(0)) }
            let last = try #require(Migration.all.last)
            try file.execute(
                String(decoding: last.sql, as: UTF8.self).replacing(" seal INTEGER", with: "  seal\n INTEGER"))
            for table in try SchemaLayout(version: 4).tables where table.isTable {
                try file.execute(
                    "DELETE FROM \(table.name); INSERT INTO main.\(table.name) SELECT * FROM current.\(table.name)")
            }
            try file.execute("PRAGMA user_version = 4")
            try file.checkpoint(truncating: true)
        }
        let store = try await Store.open(other)
        #expect(try await store.check(full: true).problems.map(\.text) == [])
        try await store.close()
        let trial = SalvageTrial(oracle: try SalvageOracle(other), folder: scratch.folder)
        let root = try Connection(path: other, access: .readOnly).integer(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'backoff'")
        let report = try #require(
            try await trial.salvage(zero(Int(root), of: trial), pages: [Int(root)], "root of backoff"))
        #expect(report.outcome == .salvaged && report.orphanPages == 0)
    }

    @Test("in place keeps the old file, and leaves a sound store of the current schema", arguments: [1, 2, 3])
    func inPlace(version: Int) async throws {
        let scratch = Scratch()
        let trial = try await large(version, scratch)
        let root = try Connection(path: trial.oracle.path, access: .readOnly).integer(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'peer'")
        let path = try zero(Int(root), of: trial)
        let damaged = try Data(contentsOf: URL(fileURLWithPath: path))
        let report = try await Store.salvage(path)
        #expect(report.outcome == .salvaged && report.schema == version)
        #expect(try Data(contentsOf: URL(fileURLWithPath: #require(report.kept.first))) == damaged)
        let store = try await Store.open(path, mode: .readOnly)
        #expect(try await store.check(full: true).isSound)
        #expect(try store.peerCount() == report.peers && report.peers > 200)
        try await store.close()
        #expect(try await Store.salvage(path).outcome == .sound)
    }

    @Test("keeps every row of the pages that are left, whichever page is lost", arguments: [1, 2, 3])
    func zeroedPages(version: Int) async throws {
        for isLarge in [false, true] {
            let scratch = Scratch()
            let trial = try await isLarge ? large(version, scratch) : fixture(version, scratch)
            let step = Thorough.isAsked ? 1 : isLarge ? 23 : 9
            for page in Set(stride(from: 1, through: trial.oracle.pageCount, by: step)).union([2]).sorted() {
                try await trial.salvage(try zero(page, of: trial), pages: [page], "schema \(version), page \(page)")
            }
            Thorough.report("salvage: schema \(version), pages zeroed: \(trial.figures)")
        }
    }

    @Test("keeps every row of the pages that are left, wherever it is cut off", arguments: [1, 2, 3])
    func truncation(version: Int) async throws {
        for isLarge in [false, true] {
            let scratch = Scratch()
            let trial = try await isLarge ? large(version, scratch) : fixture(version, scratch)
            let count = trial.oracle.pageCount
            for kept in stride(from: 1, to: count, by: Thorough.isAsked ? 1 : max(1, count / 3)) {
                try await trial.salvage(
                    try cut(after: kept, of: trial), pages: Set(kept + 1...count),
                    "schema \(version), \(kept) pages left")
            }
            Thorough.report("salvage: schema \(version), cut off: \(trial.figures)")
        }
    }

    @Test("with flipped bits ends with a sound store, or what an upgrade makes one", arguments: [1, 2, 3])
    func flippedBits(version: Int) async throws {
        let seed = Seeds.first(1)[0]
        var generator = SeededGenerator(seed: seed &+ UInt64(version))
        for isLarge in [false, true] {
            let scratch = Scratch()
            let trial = try await isLarge ? large(version, scratch) : fixture(version, scratch)
            var sound = 0
            let rounds = Thorough.isAsked ? 300 : 8
            for round in 0..<rounds {
                let path = try trial.damaged("flipped-\(round)") { bytes in
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        let page = Int.random(in: 0..<trial.oracle.pageCount, using: &generator)
                        // Half of them where pages have their structure.
                        let range = Bool.random(using: &generator) ? 0..<128 : 0..<SalvageOracle.pageBytes
                        bytes[page * SalvageOracle.pageBytes + Int.random(in: range, using: &generator)] ^=
                            1 << UInt8.random(in: 0..<8, using: &generator)
                    }
                }
                var options = SalvageOptions()
                // Where its description is among what was changed.
                (options.network, options.scope) = (.libp2p, .private)
                let report = try await Store.salvage(path, options)
                if report.outcome == .sound { sound += 1 }
                let store = try await Store.open(path)
                let check = try await store.check(full: true)
                #expect(check.isSound, "seed \(seed), schema \(version), round \(round): \(check.problems)")
                try await store.close()
            }
            Thorough.report("salvage: schema \(version): \(rounds) files with flipped bits, \(sound) called sound")
        }
    }
}
