import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

@Suite("Reading a database file without SQLite")
struct RawFormatTests {
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    @Test("finds in a sound file what SQLite finds, values that fill many pages included")
    func sound() async throws {
        let scratch = Scratch()
        for pageBytes in [512, 1_024, 4_096, 65_536] {
            let path = scratch.path("\(pageBytes).db")
            var expected: Set<[RawValue]> = []
            do {
                let connection = try Connection(path: path, access: .create)
                try connection.execute(
                    """
                    PRAGMA page_size = \(pageBytes);
                    CREATE TABLE t (number INTEGER PRIMARY KEY, a INTEGER, b TEXT, c BLOB) STRICT;
                    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                    INSERT INTO t SELECT i - 200, (i - 200) * i * i * i * i * i, 'text ' || i,
                        zeroblob(CASE i % 40 WHEN 7 THEN i * 300 WHEN 9 THEN \(pageBytes) - i ELSE i END) FROM n;
                    UPDATE t SET a = NULL WHERE number % 7 = 0;
                    """)
                let rows = try connection.prepare("SELECT number, a, b, c FROM t")
                while try rows.step() {
                    expected.insert([
                        .integer(rows.int64(0)), rows.optionalInt64(1).map(RawValue.integer) ?? .null,
                        .text(Array(rows.text(2).utf8)[...]), .blob(rows.array(3)[...]),
                    ])
                }
            }
            let pages = DamagedPages(try DamagedFile(path, waitMilliseconds: 0), DamagedLog(of: path))
            #expect(pages.pageBytes == pageBytes)
            let column = { (name: String, kind: TableLayout.Column.Kind) in
                TableLayout.Column(name: name, kind: kind, isNullable: true, fallback: .null)
            }
            let table = TableLayout(
                name: "t",
                columns: [column("number", .integer), column("a", .integer), column("b", .text), column("c", .blob)],
                order: [0, 1, 2, 3], hasRowid: true, rowidColumn: 0, fewest: 1, sql: "", seal: nil)
            var found: Set<[RawValue]> = []
            var walk = TreeWalk(pages)
            walk.walk(from: 2, table) { walk, _, page in
                for index in 0..<page.cellCount {
                    guard let cell = page.cell(index), let payload = walk.payload(page, cell),
                        let values = RecordFormat.values(payload), let row = table.row(values, rowid: cell.rowid)
                    else { continue }
                    found.insert(row)
                }
            }
            #expect(found == expected && expected.count == 400, "\(pageBytes): \(found.count)")
            walk.readFreeList()
            #expect(walk.isFreeListIntact && walk.damaged == 0)
        }
    }

    @Test("ends on any bytes", arguments: Seeds.first(2))
    func anyBytes(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<(Self.isThorough ? 100_000 : 3_000) {
            let count = [0, 1, 31, 480, 512, 1_024].randomElement(using: &generator) ?? 0
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Most are meant to be taken for pages.
            if count >= 512, Bool.random(using: &generator) {
                bytes[0] = [2, 5, 10, 13].randomElement(using: &generator) ?? 13
                bytes[3] = 0
            }
            for header in [0, 100] {
                for kind in [nil, TreePage.Kind.leafIndex, .innerTable, .innerIndex, .leafTable] {
                    guard let page = TreePage(bytes, header: header, as: kind) else { continue }
                    for index in -1...page.cellCount {
                        guard let cell = page.cell(index) else { continue }
                        _ = RecordFormat.values(page.bytes[cell.local])
                    }
                }
            }
            _ = RecordFormat.values(bytes[...])
            _ = PageKeys(bytes, keyWidth: [16, 20, 32].randomElement(using: &generator) ?? 32)
            _ = LogFormat.Header(Array(bytes.prefix(32)))
        }
    }

    @Test("ends on any file that once was a store, whatever its log", arguments: Seeds.first(1))
    func anyFile(seed: UInt64) async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path("whole.db"), peers: 60, valueBytes: 20_000)
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: oracle.path)))
        var generator = SeededGenerator(seed: seed)
        let path = scratch.path()
        var options = SalvageOptions()
        options.isDryRun = true
        options.network = .libp2p
        options.scope = .private
        var ends: [String: Int] = [:]
        for round in 0..<(Self.isThorough ? 1_500 : 12) {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                let page = Int.random(in: 0..<bytes.count / 4_096, using: &generator) * 4_096
                switch Int.random(in: 0..<4, using: &generator) {
                case 0:
                    bytes[page + Int.random(in: 0..<12, using: &generator)] = .random(in: 0...255, using: &generator)
                case 1:
                    bytes[page + Int.random(in: 0..<4_096, using: &generator)] ^= .random(
                        in: 1...255, using: &generator)
                case 2:
                    let other = Int.random(in: 0..<bytes.count / 4_096, using: &generator) * 4_096
                    bytes.replaceSubrange(page..<page + 4_096, with: bytes[other..<other + 4_096])
                default:
                    // A pointer to a page.
                    for place in 8..<12 {
                        bytes[page + place] = place == 11 ? .random(in: 0...255, using: &generator) : 0
                    }
                }
            }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do {
                ends["\(try await Store.salvage(path, options).outcome)", default: 0] += 1
            } catch {
                // Typed, and none that says that the result is wrong.
                if case .unsound = error { Issue.record("seed \(seed), round \(round): \(error)") }
                ends["refused", default: 0] += 1
            }
        }
        #expect(ends["salvageable"] ?? 0 > 0)
    }
}
