import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

/// Files of earlier schemas, as they were written then.
enum OldFile {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/stores")

    /// Makes the file of a schema version.
    static func make(_ name: String, at path: String) throws {
        let sql = try String(contentsOf: folder.appendingPathComponent(name + ".sql"), encoding: .utf8)
        let connection = try Connection(path: path, access: .create)
        try connection.execute("PRAGMA journal_mode = WAL")
        // Defensive connections refuse to write the schema's own tables; a dump does nothing of the kind.
        try connection.execute(sql)
    }

    /// Every row of a table, as text.
    static func rows(_ connection: Connection, _ table: String, where condition: String = "1") throws -> [[String]] {
        let query = try connection.prepare("SELECT * FROM \(table) WHERE \(condition)")
        let columns = try connection.prepare("SELECT count(*) FROM pragma_table_info('\(table)')")
        guard try columns.step() else { return [] }
        let count = Int32(columns.int64(0))
        var rows: [[String]] = []
        while try query.step() { rows.append((0..<count).map { query.isNull($0) ? "null" : "\(query.array($0))" }) }
        return rows
    }
}

@Suite("A file of an earlier schema")
struct MigrationTests {
    private static let tables = [
        "network", "clock", "writer", "agent", "protocol_set", "source", "peer", "failure", "backoff", "candidate",
        "tombstone", "identity", "bucket", "member",
    ]

    /// Those that came with schema 2.
    private static let engineTables = [
        "tally", "held", "witness", "canary", "session", "lookup_summary", "lookup_total",
    ]

    /// Those that came with schema 3.
    private static let valueTables = ["value", "provider", "holding", "crawl", "crawl_total", "visit"]

    @Test("is upgraded when it is opened for writing, every row as it was", arguments: [1, 2, 3])
    func upgrade(version: Int) async throws {
        let scratch = Scratch()
        try OldFile.make("V000\(version)", at: scratch.path())
        let tables =
            Self.tables + (version < 2 ? [] : Self.engineTables) + (version < 3 ? [] : Self.valueTables)
        let before = try tables.map { try OldFile.rows(Connection(path: scratch.path(), access: .readOnly), $0) }
        #expect(before.map(\.count).reduce(0, +) > 20)
        let store = try await Store.open(scratch.path())
        #expect(store.upgradedFrom == version)
        let connection = try Connection(path: scratch.path(), access: .readOnly)
        for (table, rows) in zip(tables, before) {
            // A later schema may add columns behind those that there were.
            let width = rows.first?.count ?? 0
            #expect(try OldFile.rows(connection, table).map { Array($0.prefix(width)) } == rows, "\(table)")
        }
        #expect(try connection.integer("PRAGMA user_version") == Int64(Migrator.latest))
        #expect(try connection.integer("SELECT count(*) FROM migration") == Int64(Migrator.latest))

        #expect(try await store.check(full: true).problems == [])
        #expect(try store.peerCount() == 6)
        #expect(try store.heldFailures().count == (version < 2 ? 0 : 1))
        #expect(try store.sessions().sessions.count == (version < 2 ? 0 : 2))
        #expect(try store.lookupStatistics().count == (version < 2 ? 0 : 8))
        let holdings = try store.holdings()
        #expect(holdings.values.count == (version < 3 ? 0 : 2) && holdings.ownProviders.count == (version < 3 ? 0 : 1))
        #expect(try store.crawls().count == (version < 3 ? 0 : 2))
        #expect(try await store.check().unsealedRows > 15)
        #expect(try store.clock()?.bootID == "boot-1")
        let identity = try #require(try store.identities().first)
        #expect(try store.routingTable(of: identity, configuration: store.tableConfiguration).table.count == 4)

        let peer = try #require(try store.peers().peers.last).peer
        try store.record(.held(.test(peer.key)))
        try store.record(.lookedUp(.test(1, identity: identity.number)))
        // The one with a held failure, where there is one.
        try store.record(.forgotten(try store.peers().peers[0].peer, leaving: nil))
        try store.record(.valueStored(.test("value", isOwn: true)))
        let number = try await store.beginCrawl(anew: true, at: .seconds(1)).crawl.number
        try store.record(.visited(peer.key, .answered, at: .seconds(1), crawl: number))
        try await store.flush()
        #expect(try store.peerCount() == 5)
        #expect(try store.heldFailures().map(\.key) == [peer.key])
        #expect(try store.ownValues().values.count == (version < 3 ? 1 : 2) && store.unvisited().peers.count == 4)
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
        let again = try await Store.open(scratch.path())
        #expect(again.upgradedFrom == nil)
        try await again.close()
    }

    @Test("opened for reading says what it is and what to do, and stays as it is")
    func reading() async throws {
        let scratch = Scratch()
        try OldFile.make("V0001", at: scratch.path())
        let error = await #expect(throws: StoreError.self) { try await Store.open(scratch.path(), mode: .readOnly) }
        #expect(error == .olderSchema(path: scratch.path(), found: 1, supported: Migrator.latest))
        #expect(error?.description.contains("kadstore migrate --db \(scratch.path())") == true)
        let connection = try Connection(path: scratch.path(), access: .readOnly)
        #expect(try connection.integer("PRAGMA user_version") == 1)
    }

    @Test("is upgraded once by many openers at once")
    func race() async throws {
        let scratch = Scratch()
        let path = scratch.path()
        try OldFile.make("V0001", at: path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<6 {
                group.addTask {
                    let store = try await Store.open(path)
                    try store.record(.lookedUp(.test(index)))
                    try await store.close()
                }
            }
            try await group.waitForAll()
        }
        let store = try await Store.open(path)
        #expect(try store.lookupStatistics().count == 6)
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }

    @Test("with a program in it is refused by an upgrade, and where one is only asked for", arguments: [1, 2, 3])
    func foreign(version: Int) async throws {
        let scratch = Scratch()
        try OldFile.make("V000\(version)", at: scratch.path())
        try Connection(path: scratch.path(), access: .readWrite).execute(
            "CREATE TRIGGER evil AFTER INSERT ON peer BEGIN DELETE FROM peer; END")
        for isDryRun in [true, false] {
            var options = MigrateOptions()
            options.isDryRun = isDryRun
            let refusal = StoreError.foreignSchema(path: scratch.path(), detail: "trigger evil is none of ours")
            await #expect(throws: refusal) {
                _ = try await Store.migrate(scratch.path(), options)
            }
        }
        let connection = try Connection(path: scratch.path(), access: .readOnly)
        #expect(try connection.integer("PRAGMA user_version") == Int64(version))
    }

    @Test("that is cut off in its upgrade is the old file, whole")
    func cutOff() async throws {
        let scratch = Scratch()
        try OldFile.make("V0001", at: scratch.path())
        do {
            // A table that the upgrade will make is there already: it fails halfway.
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("CREATE TABLE lookup_total (reason)")
        }
        await #expect(throws: StoreError.self) { try await Store.open(scratch.path()) }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            #expect(try connection.integer("PRAGMA user_version") == 1)
            #expect(try connection.integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('tally', 'held')") == 0)
            try connection.execute("DROP TABLE lookup_total")
        }
        let store = try await Store.open(scratch.path())
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }
}
