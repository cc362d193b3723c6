import Foundation
import Kademlia
import Testing

@testable import KadStore

@Suite("A file that somebody made to do harm")
struct HostileFileTests {
    private func store(_ scratch: Scratch, _ sql: String) async throws {
        try await scratch.withStore { store in
            for number in 1...20 { try store.hear(Key(UInt64(number) << 56, 0, 0, 0)) }
            try store.record(.candidateHeard(.test(1), source: "test", at: .seconds(0)))
        }
        try Connection(path: scratch.path(), access: .readWrite).execute(sql)
    }

    @Test(
        "with a program in its schema is refused by name, whatever it is opened for, and left as it is",
        arguments: [
            ("CREATE TRIGGER evil AFTER INSERT ON peer BEGIN DELETE FROM peer; END", "trigger evil"),
            ("CREATE TRIGGER evil BEFORE UPDATE ON writer BEGIN UPDATE network SET peer_cap = 1; END", "trigger evil"),
            ("CREATE INDEX evil ON peer (hex(id) || hex(id))", "index evil"),
            ("CREATE UNIQUE INDEX evil ON peer (id)", "index evil"),
            ("ALTER TABLE peer ADD COLUMN evil TEXT AS (hex(zeroblob(1000000)))", "table peer"),
            ("ALTER TABLE clock ADD COLUMN evil TEXT", "table clock"),
            ("CREATE TABLE evil (key BLOB REFERENCES peer ON DELETE CASCADE)", "table evil"),
        ])
    func refused(sql: String, what: String) async throws {
        let scratch = Scratch()
        try await store(scratch, sql)
        for mode in [OpenMode.readOnly, .readWrite, .create(.plain, .private)] {
            let error = await #expect(throws: StoreError.self) { try await Store.open(scratch.path(), mode: mode) }
            guard case .foreignSchema(scratch.path(), let detail)? = error else {
                Issue.record("\(mode): \(String(describing: error))")
                continue
            }
            #expect(detail.hasPrefix(what))
        }
        for isDryRun in [true, false] {
            var options = MigrateOptions()
            options.isDryRun = isDryRun
            let error = await #expect(throws: StoreError.self) { _ = try await Store.migrate(scratch.path(), options) }
            guard case .foreignSchema = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        let rows = try Connection(path: scratch.path(), access: .readOnly).integer("SELECT count(*) FROM peer")
        #expect(rows == 20)
        // A backup of it is no store, either.
        let other = try await Store.open(scratch.path("other.db"), mode: .create(.plain, .private))
        try await other.close()
        await #expect(throws: StoreError.self) {
            _ = try await Store.restore(scratch.path("other.db"), from: scratch.path())
        }
    }

    /// Who may write the folder and not the store would read its secret in a log of his, change it, or hold its lock.
    @Test(
        "and laid where the log, its index or the lock belong is refused by name, unless he may write the store",
        .enabled(if: geteuid() == 0, "only root can give files away"), arguments: ["-wal", "-shm", "-journal", "-lock"])
    func strangers(end: String) async throws {
        let scratch = Scratch()
        try await scratch.withStore { try $0.hear(Key(1, 0, 0, 0)) }
        let path = scratch.path() + end
        unlink(path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o666)
        #expect(descriptor >= 0 && fchown(descriptor, 65_534, 65_534) == 0)
        close(descriptor)
        for mode in [OpenMode.readOnly, .readWrite, .create(.plain, .private)] {
            let error = await #expect(throws: StoreError.self) { try await Store.open(scratch.path(), mode: mode) }
            guard case .notAStore(path, _)? = error else {
                Issue.record("\(mode): \(String(describing: error))")
                continue
            }
        }
        // One that its group may write is shared, and so are its files.
        #expect(chmod(scratch.path(), 0o660) == 0)
        try await Store.open(scratch.path()).close()
    }

    @Test(
        "does not come of root's work on another user's store: what it leaves is his", .enabled(if: geteuid() == 0))
    func root() async throws {
        let scratch = Scratch()
        try await scratch.withStore { try $0.hear(Key(1, 0, 0, 0)) }
        for end in ["-wal", "-shm", "-lock"] { unlink(scratch.path() + end) }
        #expect(chown(scratch.path(), 65_534, 65_534) == 0)
        let store = try await Store.open(scratch.path())
        try store.hear(Key(2, 0, 0, 0))
        try await store.flush()
        for end in ["-wal", "-shm", "-lock"] {
            var status = stat()
            #expect(stat(scratch.path() + end, &status) == 0 && status.st_uid == 65_534, "\(end)")
        }
        try await store.close()
    }

    @Test("tables and views of somebody's own do no harm, and stay")
    func additions() async throws {
        let scratch = Scratch()
        try await store(
            scratch,
            """
            CREATE TABLE notes (text); CREATE INDEX by_text ON notes (text); INSERT INTO notes VALUES ('mine');
            CREATE VIEW overview AS SELECT hex(key) FROM peer; ANALYZE
            """)
        let store = try await Store.open(scratch.path())
        try store.hear(Key(99, 0, 0, 0))
        try await store.flush()
        #expect(try store.countPeers() == 21)
        try await store.close()
        let notes = try Connection(path: scratch.path(), access: .readOnly).integer("SELECT count(*) FROM notes")
        #expect(notes == 1)
    }

    @Test("a trigger that comes while the store is open is not run")
    func triggersAreOff() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            try Connection(path: scratch.path(), access: .readWrite).execute(
                "CREATE TRIGGER evil AFTER INSERT ON peer BEGIN DELETE FROM peer; END")
            for number in 2...9 { try store.hear(Key(UInt64(number), 0, 0, 0)) }
            try await store.flush()
            #expect(try store.countPeers() == 9)
            // What a row takes along when it goes is no trigger.
            try store.record(.failed(try store.peer(at: Key(2, 0, 0, 0)), address: nil, .refused, at: .seconds(1)))
            try await store.flush()
            try store.record(.forgotten(try store.peer(at: Key(2, 0, 0, 0)), leaving: nil))
            try await store.flush()
            let left = try Connection(path: scratch.path(), access: .readOnly).integer("SELECT count(*) FROM failure")
            #expect(left == 0)
        }
    }

    @Test("a view in a table's place, one without end, is not read")
    func view() async throws {
        let scratch = Scratch()
        try await store(
            scratch,
            """
            DROP TABLE candidate;
            CREATE VIEW candidate AS
                WITH RECURSIVE row (address) AS (SELECT x'00' UNION ALL SELECT address FROM row)
                SELECT address, 0 AS first_seen, 0 AS last_seen, 0 AS last_tried, 0 AS tries, 0 AS source FROM row
            """)
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        #expect(throws: StoreError.self) { _ = try store.candidates() }
        #expect(try store.countPeers() == 20)
        try await store.close()
    }

    @Test("a table of another program with columns that are computed is not read")
    func generated() throws {
        let scratch = Scratch()
        try Connection(path: scratch.path(), access: .create).execute(
            """
            CREATE TABLE plain (key BLOB PRIMARY KEY, value BLOB);
            CREATE TABLE computed (key BLOB PRIMARY KEY, value BLOB AS (hex(zeroblob(1000000))));
            CREATE VIEW seen AS SELECT * FROM plain
            """)
        let foreign = try ForeignDatabase(scratch.path())
        #expect(try foreign.hasTable("plain"))
        #expect(try !foreign.hasTable("computed") && !foreign.hasTable("seen"))
    }
}
