import Foundation
import Kademlia
import Testing

@testable import KadStore

@Suite("A file of a later schema")
struct DowngradeTests {
    /// A store of the schema after this one, as a later version would write it, closed; and its bytes.
    private func makeLater(_ scratch: Scratch) async throws -> Data {
        try await scratch.makeFullStore()
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute(
                """
                ALTER TABLE peer ADD COLUMN later INTEGER;
                INSERT INTO migration VALUES (\(Migrator.latest + 1), 'later', 'x', 0);
                PRAGMA user_version = \(Migrator.latest + 1)
                """)
            try connection.checkpoint(truncating: true)
        }
        return try Data(contentsOf: URL(fileURLWithPath: scratch.path()))
    }

    @Test("is refused by name, whatever is asked of it, and stays as it is to the last byte")
    func refused() async throws {
        let scratch = Scratch()
        let before = try await makeLater(scratch)
        let path = scratch.path()
        let expected = StoreError.newerSchema(path: path, found: Migrator.latest + 1, supported: Migrator.latest)
        await #expect(throws: expected) { try await Store.open(path) }
        await #expect(throws: expected) { try await Store.open(path, mode: .readOnly) }
        await #expect(throws: expected) { try await Store.open(path, mode: .create(.plain, .private)) }
        await #expect(throws: expected) { try await Store.migrate(path) }
        var dry = MigrateOptions()
        dry.isDryRun = true
        await #expect(throws: expected) { try await Store.migrate(path, dry) }
        // From it and onto it, even where what is there may be replaced.
        await #expect(throws: expected) { try await Store.restore(scratch.path("new.db"), from: path) }
        #expect(!FileManager.default.fileExists(atPath: scratch.path("new.db")))
        try await scratch.withStore("good.db") { try $0.hear(Key(1, 0, 0, 0)) }
        for replaces in [false, true] {
            var options = RestoreOptions()
            options.replaces = replaces
            await #expect(throws: expected) { try await Store.restore(path, from: scratch.path("good.db"), options) }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        #expect(fileSize(path + "-wal") == 0)
    }
}
