import Foundation
import Kademlia
import Migrations
import Multiformats
import Testing

@testable import KadStore

@Suite("Opening a store")
struct OpeningTests {
    private func error(_ path: String, _ mode: OpenMode = .readWrite) async -> StoreError? {
        do throws(StoreError) {
            try await Store.open(path, mode: mode).close()
            return nil
        } catch {
            return error
        }
    }

    @Test("says that a missing file is missing, and creates none")
    func missing() async {
        let scratch = Scratch()
        #expect(await error(scratch.path()) == .notFound(path: scratch.path()))
        #expect(await error(scratch.path(), .readOnly) == .notFound(path: scratch.path()))
        #expect(!FileManager.default.fileExists(atPath: scratch.path()))
    }

    @Test("refuses a text file, a folder, an empty file and another program's database, and leaves them as they are")
    func foreign() async throws {
        let scratch = Scratch()
        let text = Data(String(repeating: "not a database\n", count: 100).utf8)
        _ = FileManager.default.createFile(atPath: scratch.path("text"), contents: text)
        for mode in [OpenMode.readWrite, .readOnly, .create(.plain, .private)] {
            guard case .notAStore = await error(scratch.path("text"), mode) else {
                Issue.record("a text file was opened, \(mode)")
                continue
            }
        }
        #expect(FileManager.default.contents(atPath: scratch.path("text")) == text)

        guard case .notAStore = await error(scratch.folder) else { throw StoreError.closed }
        _ = FileManager.default.createFile(atPath: scratch.path("empty"), contents: Data())
        #expect(await error(scratch.path("empty")) == .emptyDatabase(path: scratch.path("empty")))
        #expect(await error(scratch.path("empty"), .readOnly) == .emptyDatabase(path: scratch.path("empty")))
        #expect(await error(scratch.path("empty"), .create(.plain, .private)) == nil)

        let other = try Connection(path: scratch.path("other"), access: .create)
        try other.execute("CREATE TABLE notes (text)")
        guard case .notAStore = await error(scratch.path("other"), .create(.plain, .private)) else {
            throw StoreError.closed
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path("other-lock")))
    }

    @Test("refuses a newer schema, a changed migration and another network")
    func versions() async throws {
        let scratch = Scratch()
        try await scratch.withStore { _ in }
        #expect(
            await error(scratch.path(), .create(.libp2p, .private))
                == .networkMismatch(
                    path: scratch.path(), expected: "network 'libp2p' of private scope",
                    found: "network 'test' of private scope"))
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE migration SET sha256 = 'x' WHERE version = 1")
        }
        #expect(
            await error(scratch.path())
                == .foreignMigration(path: scratch.path(), version: 1, name: "V0001_store"))
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("PRAGMA user_version = 99")
        }
        for mode in [OpenMode.readWrite, .readOnly] {
            #expect(
                await error(scratch.path(), mode)
                    == .newerSchema(path: scratch.path(), found: 99, supported: Migrator.latest))
        }
    }

    @Test("makes the file, its log and its lock for the owner alone")
    func permissions() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            for suffix in ["", "-wal", "-shm", "-lock"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path() + suffix)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(suffix)")
            }
        }
    }

    @Test("knows every file of the migrations folder, in order and without gaps")
    func migrationList() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Migrations")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
        #expect(files.sorted() == Migration.all.map { $0.name + ".sql" })
        #expect(Migration.all.map(\.version) == Array(1...Migration.all.count))
        for migration in Migration.all {
            let file = try Data(contentsOf: folder.appendingPathComponent(migration.name + ".sql"))
            #expect(Array(file) == migration.sql)
        }
    }

    @Test("gives one store to many openers of a new file at once")
    func race() async throws {
        for _ in 0..<10 { try await raceOnce() }
    }

    private func raceOnce() async throws {
        let scratch = Scratch()
        let path = scratch.path()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<8 {
                group.addTask {
                    let store = try await Store.open(path, mode: .create(.plain, .private))
                    try store.hear(Key(UInt64(index + 1), 0, 0, 0))
                    try await store.close()
                }
            }
            try await group.waitForAll()
        }
        let store = try await Store.open(path)
        #expect(try store.peers().peers.count == 8)
        #expect(try await store.check(full: true).isSound)
        try await store.close()
    }

    @Test("for reading changes nothing, and follows what others write")
    func readOnly() async throws {
        let scratch = Scratch()
        try await scratch.withStore { writer in
            try writer.hear(Key(1, 0, 0, 0))
            try await writer.flush()
            let reader = try await Store.open(scratch.path(), mode: .readOnly)
            #expect(try reader.peers().peers.count == 1)
            #expect(throws: StoreError.readOnly(path: scratch.path())) { try reader.hear(Key(2, 0, 0, 0)) }
            try writer.hear(Key(3, 0, 0, 0))
            try await writer.flush()
            #expect(try reader.peers().peers.count == 2)
            try await reader.close()
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path() + "-wal"))
    }

    @Test("a file that is there, and cannot be opened for want of its log, is not missing")
    func readOnlyFolder() throws {
        let scratch = Scratch()
        let path = scratch.path("log.db")
        let error = SQLiteError(code: 14, message: "", statement: "", systemError: ENOENT)
        #expect(StoreError(error, path: path) == .notFound(path: path))
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(StoreError(error, path: path) == .readOnly(path: path))
    }
}
