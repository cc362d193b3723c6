import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

@Suite("Restoring a backup")
struct RestoringTests {
    private func store(_ path: String, _ network: Network = .plain, peers: Int) async throws {
        let store = try await Store.open(path, mode: .create(network, .private))
        for index in 0..<peers { try store.hear(Key(UInt64(index + 1), 0, 0, 0)) }
        try await store.close()
    }

    private func count(_ path: String) async throws -> Int {
        let store = try await Store.open(path, mode: .readOnly)
        let count = try store.countPeers()
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
        return count
    }

    @Test("makes a store, or replaces one when that is asked for and keeps what it held")
    func restores() async throws {
        let scratch = Scratch()
        try await store(scratch.path("b.db"), peers: 40)
        var report = try await Store.restore(scratch.path(), from: scratch.path("b.db"))
        #expect(report.isNew && report.peers == 40 && report.kept == nil)
        #expect(try await count(scratch.path()) == 40)

        try await store(scratch.path("c.db"), peers: 7)
        await #expect(throws: StoreError.notEmpty(path: scratch.path())) {
            try await Store.restore(scratch.path(), from: scratch.path("c.db"))
        }
        #expect(try await count(scratch.path()) == 40)
        var options = RestoreOptions()
        options.replaces = true
        for _ in 0..<2 { report = try await Store.restore(scratch.path(), from: scratch.path("c.db"), options) }
        #expect(try await count(scratch.path()) == 7)
        #expect(try await count(try #require(report.kept)) == 7)
        let kept = try FileManager.default.contentsOfDirectory(atPath: scratch.folder).filter { $0.contains("before") }
        #expect(kept.count == 2)
        options.keepsOld = false
        #expect(try await Store.restore(scratch.path(), from: scratch.path("b.db"), options).kept == nil)
        #expect(try await count(scratch.path()) == 40)
        // A store that holds nothing is nobody's loss.
        try await store(scratch.path("empty.db"), peers: 0)
        #expect(try await Store.restore(scratch.path("empty.db"), from: scratch.path("b.db")).kept == nil)
    }

    @Test("refuses another network, a damaged backup, itself, and what is no store; nothing changes")
    func refuses() async throws {
        let scratch = Scratch()
        try await store(scratch.path(), peers: 3)
        try await store(scratch.path("other.db"), .test(160), peers: 1)
        try await store(scratch.path("bad.db"), peers: 5)
        try Connection(path: scratch.path("bad.db"), access: .readWrite).execute("UPDATE peer SET addresses = x'ff'")
        _ = FileManager.default.createFile(atPath: scratch.path("text"), contents: Data(repeating: 65, count: 5_000))
        _ = FileManager.default.createFile(atPath: scratch.path("cut.db"), contents: nil)
        func error(_ name: String, replacing: Bool = false) async -> StoreError? {
            var options = RestoreOptions()
            options.replaces = replacing
            do throws(StoreError) {
                _ = try await Store.restore(scratch.path(), from: scratch.path(name), options)
                return nil
            } catch {
                return error
            }
        }
        guard case .networkMismatch = await error("other.db") else { throw StoreError.closed }
        try await Store.open(scratch.path("public.db"), mode: .create(.plain, .public)).close()
        guard case .networkMismatch = await error("public.db") else { throw StoreError.closed }
        guard case .unsound = await error("bad.db", replacing: true) else { throw StoreError.closed }
        guard case .notAStore = await error("text", replacing: true) else { throw StoreError.closed }
        guard case .emptyDatabase = await error("cut.db", replacing: true) else { throw StoreError.closed }
        guard case .notFound = await error("none", replacing: true) else { throw StoreError.closed }
        guard case .invalidArgument = await error("peers.db", replacing: true) else { throw StoreError.closed }
        #expect(try await count(scratch.path()) == 3)
        #expect(await error("other.db", replacing: true) == nil)
        #expect(try await count(scratch.path()) == 1)
    }

    @Test("on a full disk leaves the store as it was, and no copy of it at each try")
    func full() async throws {
        let template = try FaultyDisk.newFolder()
        try await store(template.path + "/peers.db", peers: 40)
        try await store(template.path + "/b.db", peers: 400)
        var options = RestoreOptions()
        options.replaces = true
        let sound = try FaultyDisk(copying: template.path)
        _ = try await Store.restore(sound.path("peers.db"), from: sound.path("b.db"), options)
        let writes = sound.count(.write)
        var failures = 0
        for moment in stride(from: 1, through: writes, by: max(1, writes / 16)) {
            let disk = try FaultyDisk(copying: template.path)
            disk.plan(.full, [.write], from: moment)
            do {
                _ = try await Store.restore(disk.path("peers.db"), from: disk.path("b.db"), options)
            } catch {
                #expect(error == .diskFull(path: disk.path("peers.db")))
                failures += 1
            }
            disk.heal()
            let kept = try FileManager.default.contentsOfDirectory(atPath: disk.folder).filter { $0.contains("before") }
            let peers = try await count(disk.path("peers.db"))
            #expect(
                peers == 40 && kept.isEmpty || peers == 400 && kept.count == 1, "write \(moment): \(peers), \(kept)")
        }
        #expect(failures > 8)
    }

    @Test("replaces a store whose rows cannot be read, and keeps it as it was")
    func overDamage() async throws {
        let scratch = Scratch()
        try await store(scratch.path(), peers: 500)
        try await store(scratch.path("b.db"), peers: 4)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: scratch.path()))
        let size = try handle.seekToEnd()
        for offset in stride(from: UInt64(4_096), to: size, by: 4_096) {
            try handle.seek(toOffset: offset)
            try handle.write(contentsOf: Data(repeating: 0xa5, count: 4_096))
        }
        try handle.close()
        let before = FileManager.default.contents(atPath: scratch.path())
        var options = RestoreOptions()
        options.replaces = true
        let report = try await Store.restore(scratch.path(), from: scratch.path("b.db"), options)
        #expect(try await count(scratch.path()) == 4)
        // But for page 1, which counts changes of the schema.
        let kept = FileManager.default.contents(atPath: try #require(report.kept))
        #expect(kept?.dropFirst(4_096) == before?.dropFirst(4_096))
    }

    @Test(
        "is refused while this process has the store open, for reading or writing; a later opener is kept out of nothing"
    )
    func inUse() async throws {
        let scratch = Scratch()
        try await store(scratch.path(), peers: 3)
        try await store(scratch.path("b.db"), peers: 9)
        var options = RestoreOptions()
        options.replaces = true
        options.waitMilliseconds = 30
        for mode in [OpenMode.readOnly, .readWrite] {
            let open = try await Store.open(scratch.path(), mode: mode)
            let error = await #expect(throws: StoreError.self) {
                try await Store.restore(scratch.path(), from: scratch.path("b.db"), options)
            }
            guard case .inUse(scratch.path(), _, let waited)? = error else { throw StoreError.closed }
            #expect(waited >= 30)
            #expect(try open.countPeers() == 3)
            try await open.close()
        }
        // The backup may be in use.
        let backup = try await Store.open(scratch.path("b.db"))
        _ = try await Store.restore(scratch.path(), from: scratch.path("b.db"), options)
        try await backup.close()
        #expect(try await count(scratch.path()) == 9)
    }

    @Test("upgrades a backup of an older schema, and leaves it as it is")
    func older() async throws {
        let scratch = Scratch()
        try OldFile.make("V0001", at: scratch.path("old.db"))
        let report = try await Store.restore(scratch.path(), from: scratch.path("old.db"))
        #expect(report.upgradedFrom == 1)
        #expect(try await count(scratch.path()) == 6)
        #expect(try Connection(path: scratch.path("old.db"), access: .readOnly).integer("PRAGMA user_version") == 1)
    }
}
