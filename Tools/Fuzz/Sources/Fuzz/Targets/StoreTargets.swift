import Foundation
import Kademlia
import Multiformats

@testable import KadStore

/// What a store reads from its own file, which somebody else may have written: rows of every table, and what lies in them.
let storeTargets = [
    FuzzTarget(name: "addresses", seeds: blobSeeds, run: readBlob),
    FuzzTarget(name: "sorted-run", seeds: runSeeds, run: readPayload),
    FuzzTarget(name: "rows", seeds: { FuzzSeeds.scripts(6) }, run: { try RowBench.shared.run(FuzzScript($0)) }),
]

// MARK: - Addresses of a row

/// Twelve addresses with and without histories.
@Sendable private func blobSeeds() throws -> [[UInt8]] {
    let base = AddressCodec.Base(
        firstSeen: Instant(milliseconds: 1_000), lastSeen: Instant(milliseconds: 9_000),
        lastOK: Instant(milliseconds: 5_000), source: 3)
    let addresses = try FuzzSeeds.addresses.flatMap { text in
        let plain = AddressRecord(address: try Multiaddr(text), firstSeen: base.firstSeen, lastSeen: base.lastSeen)
        var failed = plain
        failed.failures = 300
        failed.firstSeen = Instant(milliseconds: -1)
        failed.source = "7"
        var answered = plain
        answered.lastOK = Instant(milliseconds: 4_000)
        answered.lastSeen = Instant(milliseconds: .max)
        return [plain, failed, answered]
    }
    return addresses.map { AddressCodec.encode([$0], base: base) { Int64($0) ?? 0 } }
        + [AddressCodec.encode(addresses, base: base) { Int64($0) ?? 0 }]
}

/// What was read is written as something that is read as the same.
private func readBlob(_ bytes: [UInt8]) throws {
    let base = AddressCodec.Base(
        firstSeen: Instant(milliseconds: 1_000), lastSeen: Instant(milliseconds: 9_000),
        lastOK: bytes.count % 2 == 0 ? Instant(milliseconds: 5_000) : nil, source: 3)
    let shown = AddressList(blob: bytes[...]).reduce(into: 0) { count, _ in count += 1 }
    guard let entries = AddressCodec.decode(bytes[...], base: base) else { return }
    try Broken.unless(shown == entries.count, "a search shows \(shown) addresses of \(entries.count)")
    let records = entries.map { entry in
        var record = entry.record
        record.source = entry.source.map(String.init)
        return record
    }
    let again = AddressCodec.encode(records, base: base) { Int64($0) ?? 0 }
    let second = AddressCodec.decode(again[...], base: base)?.map { ($0.record, $0.source) }
    try Broken.unless(
        second?.elementsEqual(entries) { $0.0 == $1.record && $0.1 == $1.source } == true,
        "addresses change when they are written again")
}

// MARK: - A sorted run of an import

@Sendable private func runSeeds() throws -> [[UInt8]] {
    var peer = ImportedPeer(id: FuzzSeeds.id)
    peer.addresses = try FuzzSeeds.addresses.map { ImportedPeer.Address(try Multiaddr($0)) }
    var full = peer
    full.agent = "agent"
    full.protocols = ["/a", "/b"]
    full.rtt = RTTEstimate(smoothed: 1_000, variation: 10)
    full.lastOK = Instant(milliseconds: 4)
    full.failures = [
        FailureRecord(
            address: peer.addresses[0].address, failureClass: .timeout, count: 3, firstAt: Instant(milliseconds: 1),
            lastAt: Instant(milliseconds: 2))
    ]
    return [peer, full].map { peer in
        var (codec, bytes) = (ImportedPeerCodec(), [UInt8]())
        codec.append(peer, to: &bytes)
        return bytes
    }
}

private func readPayload(_ bytes: [UInt8]) throws {
    var codec = ImportedPeerCodec()
    guard let peer = try? codec.read(bytes[...]) else { return }
    var again: [UInt8] = []
    codec.append(peer, to: &again)
    try Broken.unless(try codec.read(again[...]) == peer, "a peer changes when it is written again")
}

// MARK: - Rows

/// An empty store in memory, into which a script puts a few rows of its own making. Used by one thread at a time.
private final class RowBench: @unchecked Sendable {
    static let shared = RowBench()

    private struct Table {
        let name: String
        let columns: [(name: String, type: String, mayBeNull: Bool)]
        let insert: Statement
    }

    private let lock = NSLock()
    private var opened: (reader: RecordReader, tables: [Table])?

    func run(_ script: FuzzScript) throws {
        try lock.withLock {
            let (reader, tables) = try opened ?? open()
            opened = (reader, tables)
            let connection = reader.connection
            try connection.execute("BEGIN")
            defer {
                try? connection.execute("ROLLBACK")
                reader.strings.forgetAll()
            }
            var script = script
            for _ in 0..<12 where !script.isOver { insert(&script, script.choice(of: tables)) }
            try readAll(reader)
            try check(reader)
        }
    }

    private func open() throws -> (RecordReader, [Table]) {
        let connection = try Migrator.model()
        let reader = RecordReader(connection, network: .libp2p)
        let names = try connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        var tables: [Table] = []
        while try names.step() {
            let name = names.text(0)
            let info = try connection.prepare("PRAGMA table_info(\(name))")
            var columns: [(name: String, type: String, mayBeNull: Bool)] = []
            while try info.step() { columns.append((info.text(1), info.text(2), info.int64(3) == 0)) }
            let places = columns.map { _ in "?" }.joined(separator: ", ")
            let insert = try connection.prepare("INSERT OR REPLACE INTO \(name) VALUES (\(places))")
            tables.append(Table(name: name, columns: columns, insert: insert))
        }
        return (reader, tables)
    }

    /// What no column takes is no row.
    private func insert(_ script: inout FuzzScript, _ table: Table) {
        for (place, column) in table.columns.enumerated() {
            let index = Int32(place + 1)
            let kind = script.byte()
            // A row that is sealed is read only if the seal is right.
            if column.name == "seal" || (column.mayBeNull && kind % 4 == 0) {
                table.insert.bind(index, Int64?.none)
            } else if column.type == "INTEGER" {
                table.insert.bind(index, integer(&script, kind))
            } else if column.type == "TEXT" {
                table.insert.bind(index, String(decoding: script.bytes(kind % 24), as: UTF8.self))
            } else {
                table.insert.bind(index, bytes(&script, kind)[...])
            }
        }
        defer { table.insert.reset() }
        _ = try? table.insert.step()
    }

    private func integer(_ script: inout FuzzScript, _ kind: Int) -> Int64 {
        switch kind % 8 {
        case 0...2: Int64(kind / 8)
        case 3: Int64(script.byte()) - 128
        case 4: Int64.max
        case 5: Int64.min
        default: script.bytes(8).reduce(0) { $0 << 8 | Int64($1) }
        }
    }

    /// Mostly what a key, an id or an address is, and few of each: rows are to find each other.
    private func bytes(_ script: inout FuzzScript, _ kind: Int) -> [UInt8] {
        switch kind % 8 {
        case 0...2: [UInt8](repeating: UInt8(kind / 64), count: 32)
        case 3: [0, 36, 8, 1, 18, 32] + [UInt8](repeating: UInt8(kind / 64), count: 32)
        case 4: [4, 10, 0, 0, UInt8(kind / 64), 6, 0x0f, 0xa1]
        case 5: [8, 0, 4, 10, 0, 0, UInt8(kind / 64), 6, 0x0f, 0xa1]
        default: script.bytes(kind)
        }
    }

    private func readAll(_ reader: RecordReader) throws {
        _ = try? reader.tombstones(after: nil, limit: 100)
        _ = try? reader.candidates(after: nil, limit: 100)
        for identity in (try? reader.identities()) ?? [] { _ = try? reader.buckets(of: identity.number) }
        _ = (try? reader.clock(), try? reader.heldFailures(), try? reader.witnesses(), try? reader.canaryAt())
        _ = (try? reader.sessions(), try? reader.lookups(), try? reader.lookupTotals(), try? reader.crawls(limit: 10))
        _ = (try? reader.ownValues(after: nil, limit: 10), try? reader.ownProviders(after: nil, limit: 10))
        _ = (try? reader.holdings(), try? reader.countHoldings(), try? reader.unvisited(after: nil, limit: 10))
        for byte in UInt8(0)...3 {
            let key = [UInt8](repeating: byte, count: 32)
            _ = (try? reader.value(of: key), try? reader.providers(of: key, limit: 10))
        }
        // A key of another width ends the page.
        guard let page = try? reader.records(after: nil, limit: 100) else { return }
        try Broken.unless(page.records.count + page.damaged.count == page.rows, "a page loses peers")
        for record in page.records {
            try Broken.unless(try reader.record(of: record.key) == record, "a page says something else of a peer")
            try rewrite(record, reader)
        }
        for key in page.damaged {
            if let record = try? reader.record(of: key) {
                throw Broken(description: "a page calls \(record.key) damaged, alone it is not")
            }
        }
    }

    /// What was read can be written, and is read as the same.
    private func rewrite(_ record: PeerRecord, _ reader: RecordReader) throws {
        let writer = RecordWriter(reader)
        var changed = record
        changed.agent = "another"
        try writer.replace(record, with: changed, key: record.key)
        try Broken.unless(try reader.record(of: record.key) == changed, "a peer changes when it is written again")
    }

    private func check(_ reader: RecordReader) throws {
        var checker = Checker(reader: reader, report: CheckReport(isFull: true))
        var last: [UInt8] = []
        while try checker.checkPeers(after: &last) {}
        try checker.checkReferences()
        try checker.checkOthers()
        try checker.checkTables()
        try checker.checkEngine()
        try checker.checkValues()
        try checker.checkCrawls()
    }
}
