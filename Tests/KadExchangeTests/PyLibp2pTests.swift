import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("py-libp2p's peerstore")
struct PyLibp2pTests {
    let scratch = Scratch()

    /// What py-libp2p makes.
    private static let schema = "CREATE TABLE IF NOT EXISTS datastore (key BLOB PRIMARY KEY, value BLOB NOT NULL)"

    private func create(_ path: String, log: Bool = true, schema: String = schema) throws -> Connection {
        let connection = try Connection(path: path, access: .create)
        if log { try connection.execute("PRAGMA journal_mode = WAL") }
        try connection.execute(schema)
        return connection
    }

    private func put(_ connection: Connection, _ prefix: String, _ id: [UInt8], _ value: [UInt8]) throws {
        let statement = try connection.prepare("INSERT OR REPLACE INTO datastore (key, value) VALUES (?, ?)")
        try statement.bind(1, (Array(prefix.utf8) + id)[...]).bind(2, value[...]).run()
    }

    /// `PeerAddresses` of py-libp2p's persistent_peerstore.proto.
    private func message(_ addresses: [String]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for text in addresses {
            let address = try Multiaddr(text).bytes
            bytes.append(0x0a)
            Varint.append(UInt64(address.count), to: &bytes)
            bytes += address
        }
        return bytes
    }

    private func fill(_ connection: Connection, _ count: UInt64 = 5) throws {
        for number in 1...count {
            let id = Array(PeerID.test(number).bytes)
            try put(
                connection, "addr:", id,
                message(["/ip4/10.0.0.\(number)/tcp/4001", "/ip4/10.0.0.\(number)/udp/4001/quic-v1"]))
            try put(connection, "key:", id, [0xff, 0xfe])
            try put(connection, "protocol:", id, [0x0a, 3, 0x2f, 0x61, 0x62])
            try put(connection, "latency:", id, [8, 1])
        }
        try put(connection, "local_record", [], [1])
        try put(connection, "addr", [], [1])
    }

    private func path(_ name: String = "peers.db") -> String { scratch.path(name) }

    private func importing(_ path: String, _ store: Store) async throws -> ImportReport {
        let source = try ImportSource.open(path)
        #expect(source.format == .pyLibp2p)
        #expect(source.network == .libp2p)
        return try await store.importPeers(from: source, .test)
    }

    @Test("brings ids and addresses, twice the same, and leaves nothing beside the file", arguments: [true, false])
    func plain(log: Bool) async throws {
        let store = try await scratch.store()
        do { try fill(create(path(), log: log)) }
        let before = read(path())
        let report = try await importing(path(), store)
        #expect(report.isComplete)
        #expect(report.records == 5)
        #expect(report.summary.peers.added == 5)
        #expect(try store.allPeers().allSatisfy { $0.addresses.count == 2 && $0.protocols.isEmpty && $0.lastOK == nil })
        let exported = try await scratch.export(store)
        let again = try await importing(path(), store)
        #expect(again.summary.peers.unchanged == 5)
        #expect(try await scratch.export(store) == exported)
        #expect(read(path()) == before)
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(names.filter { $0.hasPrefix("peers.db") } == ["peers.db"])
    }

    @Test("no row but those of addresses is asked for: the index leads to them and past all others")
    func keysAreNotRead() async throws {
        do {
            let connection = try create(path(), log: false)
            try fill(connection)
            let plan = try connection.prepare("EXPLAIN QUERY PLAN " + PyLibp2pFormat.query)
            var steps: [String] = []
            while try plan.step() { steps.append(plan.text(3)) }
            #expect(steps == ["SEARCH datastore USING INDEX sqlite_autoindex_datastore_1 (key>? AND key<?)"])
            for number in 1...5 as ClosedRange<UInt64> {
                let secret = Array(repeating: UInt8(0xee), count: 20_000)
                try put(connection, "key:", Array(PeerID.test(number).bytes), secret)
            }
        }
        // The pages that the keys run over to lead nowhere now: whoever reads a key fails.
        var bytes = read(path())
        for page in stride(from: 4_096, to: bytes.count, by: 4_096)
        where bytes[(page + 4)..<(page + 2_000)].allSatisfy({ $0 == 0xee }) {
            bytes.replaceSubrange(page..<(page + 4), with: [0x7f, 0xff, 0xff, 0xff])
        }
        let poisoned = try scratch.write(bytes, "poisoned.db")
        let thief = try Connection(path: poisoned, access: .readOnly)
            .prepare("SELECT value FROM datastore WHERE key >= CAST('key:' AS BLOB) AND key < CAST('key;' AS BLOB)")
        #expect(throws: SQLiteError.self) { while try thief.step() { _ = thief.array(0) } }
        thief.reset()

        let store = try await scratch.store()
        let report = try await importing(poisoned, store)
        #expect(report.records == 5 && report.isComplete)
    }

    @Test("a peerstore that is open and being written is read with its log")
    func live() async throws {
        let connection = try create(path())
        try connection.execute("PRAGMA wal_autocheckpoint = 0")
        try fill(connection, 3)
        // Nothing of them is in the database file yet.
        #expect(!read(path()).contains(Array("addr:".utf8)))
        let store = try await scratch.store()
        #expect(try await importing(path(), store).summary.peers.added == 3)
        try connection.execute("BEGIN IMMEDIATE")
        try fill(connection, 9)
        #expect(try await importing(path(), store).summary.peers.unchanged == 3)
        try connection.execute("COMMIT")
        let report = try await importing(path(), store)
        #expect(report.summary.peers.added == 6 && report.summary.peers.unchanged == 3)
        // The writer's log is still its own.
        #expect(try connection.integer("SELECT count(*) FROM datastore") == 38)
    }

    @Test("through a pipe it is kept in a file of ours until it has been read")
    func pipe() async throws {
        do { try fill(create(path())) }
        let bytes = read(path())
        var ends: [Int32] = [0, 0]
        #expect(Foundation.pipe(&ends) == 0)
        let writer = ends[1]
        // On a thread of its own: opening the source blocks one of the few that tasks have.
        Thread.detachNewThread {
            for start in stride(from: 0, to: bytes.count, by: 5_000) {
                _ = bytes[start..<min(bytes.count, start + 5_000)].withUnsafeBytes {
                    write(writer, $0.baseAddress, $0.count)
                }
            }
            close(writer)
        }
        let source = try ImportSource.open(descriptor: ends[0], name: "pipe")
        #expect(source.format == .pyLibp2p)
        let store = try await scratch.store()
        let report = try await store.importPeers(from: source, .test)
        #expect(report.summary.peers.added == 5)
    }

    @Test("through a pipe that never ends it is taken as far as it says to go, and refused")
    func endlessPipe() async throws {
        do { try fill(create(path())) }
        let bytes = read(path())
        var ends: [Int32] = [0, 0]
        #expect(Foundation.pipe(&ends) == 0)
        let writer = ends[1]
        Thread.detachNewThread {
            signal(SIGPIPE, SIG_IGN)
            _ = bytes.withUnsafeBytes { write(writer, $0.baseAddress, $0.count) }
            let zeros = [UInt8](repeating: 0, count: 65_536)
            while write(writer, zeros, zeros.count) > 0 {}
            close(writer)
        }
        let source = try ImportSource.open(descriptor: ends[0], name: "pipe")
        let store = try await scratch.store()
        let error = await #expect(throws: ExchangeError.self) { try await store.importPeers(from: source, .test) }
        guard case .unsupported("pipe", let reason)? = error else { throw ExchangeError.cancelled }
        #expect(reason.contains("goes on after the \(bytes.count) bytes"))
        #expect(try store.countPeers() == 0)
    }

    @Test("through a pipe with a name, too, which cannot be opened again")
    func namedPipe() async throws {
        do { try fill(create(path())) }
        let bytes = read(path())
        let name = path("fifo")
        #expect(mkfifo(name, 0o600) == 0)
        Thread.detachNewThread {
            let writer = open(name, O_WRONLY)
            _ = bytes.withUnsafeBytes { write(writer, $0.baseAddress, $0.count) }
            close(writer)
        }
        let store = try await scratch.store()
        let report = try await store.importPeers(from: ImportSource.open(name), .test)
        #expect(report.format == .pyLibp2p)
        #expect(report.summary.peers.added == 5)
    }

    @Test("wrong rows are rejected one by one: ids, messages, types, sizes")
    func rows() async throws {
        do {
            let connection = try create(path())
            func id(_ number: UInt64) -> [UInt8] { Array(PeerID.test(number).bytes) }
            let good = try message(["/ip4/10.0.0.1/tcp/1"])
            try put(connection, "addr:", id(1), good)
            try put(connection, "addr:", [], good)
            try put(connection, "addr:", Array("nobody".utf8), good)
            try put(connection, "addr:", Array(repeating: 7, count: 200), good)
            try put(connection, "addr:", id(2), [0x0a, 0x7f, 1])
            try put(connection, "addr:", id(3), Array(repeating: 0xff, count: 20))
            try put(connection, "addr:", id(4), [0x0b])
            try put(
                connection, "addr:", id(5),
                [0x12, 1, 0x41, 0x18, 0x96, 0x01, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8] + good)
            try put(connection, "addr:", id(6), [0x0a, 2, 0xff, 0x7f] + good)
            try put(connection, "addr:", id(7), try message(["/ip4/10.0.0.1/tcp/1/p2p/\(PeerID.test(1).text)"]))
            try put(connection, "addr:", id(8), Array(repeating: 0, count: PyLibp2pFormat.valueLimit + 1))
            let text = try connection.prepare("INSERT INTO datastore VALUES (?, 'text')")
            try text.bind(1, (Array("addr:".utf8) + id(9))[...]).run()
            let integer = try connection.prepare("INSERT INTO datastore VALUES (?, 7)")
            try integer.bind(1, (Array("addr:".utf8) + id(10))[...]).run()
            try put(connection, "addr:", id(11), [])
        }
        let store = try await scratch.store()
        let report = try await importing(path(), store)
        #expect(report.fault == nil)
        #expect(report.records == 14)
        #expect(report.rejected == [.peerID: 3, .syntax: 3, .mismatch: 1, .oversized: 1, .type: 2])
        #expect(report.notes == [.unreadableAddress: 1])
        #expect(report.summary.peers.added == 4)
        #expect(report.rejections.allSatisfy { if case .row = $0.place { true } else { false } })
    }

    @Test("other databases are named for what they are")
    func others() async throws {
        func clue(_ path: String) -> String {
            let error = #expect(throws: ExchangeError.self) { try ImportSource.open(path) }
            return error?.description ?? ""
        }
        let ours = try await scratch.store(name: "ours.db")
        try await ours.close()
        #expect(clue(path("ours.db")).contains("a kadstore database"))
        do { _ = try create(path("other.db"), schema: "CREATE TABLE songs (title)") }
        #expect(clue(path("other.db")).contains("none of the kinds"))
        do { _ = try create(path("view.db"), schema: "CREATE VIEW datastore AS SELECT x'61' AS key, x'62' AS value") }
        #expect(clue(path("view.db")).contains("none of the kinds"))
        do { _ = try create(path("bare.db"), schema: "CREATE TABLE datastore (key BLOB, value BLOB)") }
        #expect(clue(path("bare.db")).contains("not py-libp2p's"))
        do { _ = try create(path("columns.db"), schema: "CREATE TABLE datastore (key TEXT PRIMARY KEY, data BLOB)") }
        #expect(clue(path("columns.db")).contains("not py-libp2p's"))
        let path = try scratch.write(
            Array("SQLite format 3\0".utf8) + Array(repeating: 0x41, count: 5_000), "broken.db")
        #expect(clue(path).contains("cannot be read"))
        // Taken at the caller's word, a file that is none is refused as a whole.
        let store = try await scratch.store()
        let none = try ImportSource.open(try scratch.write("no database\n"), format: .pyLibp2p)
        await #expect(throws: ExchangeError.self) { try await store.importPeers(from: none, .test) }
    }

    @Test("damaged databases never trap, and end in a fault or a refusal", arguments: Seeds.first(4))
    func damaged(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        do {
            let connection = try create(path(), log: false)
            try connection.execute("BEGIN")
            try fill(connection, 120)
            try connection.execute("COMMIT")
        }
        let bytes = read(path())
        let store = try await scratch.store()
        for round in 0..<40 {
            var damaged = bytes
            if round.isMultiple(of: 4) { damaged.removeLast(Int.random(in: 1..<bytes.count - 20, using: &generator)) }
            for _ in 0..<Int.random(in: 1..<40, using: &generator) {
                damaged[Int.random(in: 16..<damaged.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            let file = try scratch.write(damaged, "damaged-\(round).db")
            guard let source = try? ImportSource.open(file, format: .pyLibp2p) else { continue }
            guard let report = try? await store.importPeers(from: source, .test) else { continue }
            #expect(report.records <= 20_000, "seed \(seed)")
        }
        let exported = try await scratch.export(store)
        let copy = try await scratch.store()
        _ = try await copy.restorePeers(from: ImportSource.open(try scratch.write(exported)))
        #expect(try await scratch.export(copy) == exported, "seed \(seed)")
    }
}
