import Foundation
import Kademlia

@testable import KadStore

/// The readers of database files that SQLite may have given up on.
let pageTargets = [
    FuzzTarget(name: "page", seeds: pageSeeds, run: readPage),
    FuzzTarget(name: "record", seeds: recordSeeds, run: readRecord),
]

/// Some pages of each kind, of 512 bytes, as SQLite writes them.
@Sendable private func pageSeeds() throws -> [[UInt8]] {
    let path = NSTemporaryDirectory() + "kadstore-pages-\(UInt64.random(in: 0 ... .max))"
    defer { unlink(path) }
    do {
        let connection = try Connection(path: path, access: .create)
        try connection.execute(
            """
            PRAGMA page_size = 512;
            CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BLOB) STRICT;
            CREATE TABLE u (a BLOB PRIMARY KEY, b INTEGER) STRICT, WITHOUT ROWID;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
            INSERT INTO t SELECT i, 'text ' || i, zeroblob(i * i) FROM n;
            INSERT INTO u SELECT CAST(zeroblob(a) || a AS BLOB), a FROM t;
            """)
    }
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    let pages = stride(from: 512, to: bytes.count - 511, by: 512).map { Array(bytes[$0..<$0 + 512]) }
    // The first byte says how the rest is read.
    return [UInt8(2), 5, 10, 13].flatMap { kind in pages.filter { $0[0] == kind }.prefix(3).map { [0] + $0 } }
}

private func readPage(_ bytes: [UInt8]) throws {
    guard let how = bytes.first else { return }
    let kinds: [TreePage.Kind?] = [nil, .innerIndex, .innerTable, .leafIndex, .leafTable]
    let page = Array(bytes.dropFirst())
    _ = PageKeys(page, keyWidth: [32, 20, 16][Int(how) % 3])
    _ = LogFormat.Header(Array(page.prefix(32)))
    guard
        let tree = TreePage(
            page, header: how & 8 == 0 ? 0 : 100, as: kinds[Int(how & 7) % kinds.count])
    else { return }
    for index in -1...tree.cellCount {
        guard let cell = tree.cell(index) else { continue }
        try Broken.unless(
            cell.local.upperBound <= page.count && cell.local.count <= cell.payloadBytes, "a cell beyond its page")
        try Broken.unless(
            (cell.overflow == nil) == (cell.local.count == cell.payloadBytes), "a row that is cut and has no rest")
        _ = RecordFormat.values(page[cell.local])
    }
}

@Sendable private func recordSeeds() -> [[UInt8]] {
    [
        [4, 1, 23, 20, 7, 97, 98, 99, 100, 101, 1, 2, 3, 4], [3, 8, 9], [1],
        [5, 0, 6, 2, 13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ]
}

private func readRecord(_ bytes: [UInt8]) throws {
    guard let values = RecordFormat.values(bytes[...]) else { return }
    try Broken.unless(values.count <= RecordFormat.maximumColumns, "more columns than are read")
    for table in layouts {
        guard let row = table.row(values, rowid: table.hasRowid ? 1 : nil) else { continue }
        var judge = RowJudge(network: .libp2p)
        _ = judge.fault(row, in: table, isOrphan: true)
        _ = RowJudge.network(row)
    }
}

private let layouts = (try? SchemaLayout(version: Migrator.latest).tables.filter(\.isTable)) ?? []
