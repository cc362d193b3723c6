import Foundation
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadStore

@Suite("A backup")
struct BackupTests {
    private func keys(_ count: Int) -> [Key] { (0..<count).map { Key(UInt64($0 + 1) << 40, 7, 7, UInt64($0)) } }

    private func files(_ scratch: Scratch) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch.folder).sorted()
    }

    @Test("holds what was recorded until now, opens in place with a log, and is its owner's alone")
    func whole() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for key in keys(300) { try store.hear(key) }
            let report = try await store.backup(to: scratch.path("b.db"))
            #expect(report.peers == 300 && report.problem == nil)
            try store.hear(Key(99, 0, 0, 0))
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path("b.db"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try files(scratch) == ["b.db", "peers.db", "peers.db-lock"])
        #expect(try Connection(path: scratch.path("b.db"), access: .readOnly).journalMode() == "wal")
        let copy = try await Store.open(scratch.path("b.db"))
        #expect(try copy.countPeers() == 300)
        #expect(try await copy.check(full: true).problems == [])
        try copy.hear(Key(1, 1, 1, 1))
        try await copy.close()
    }

    @Test("is one view, however much is written meanwhile, and keeps no writer waiting")
    func busy() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try await store.fill(keys(20_000))
            let writing = Task {
                var written = 0
                while !Task.isCancelled {
                    // Pairs in one batch: a copy has both of them or none.
                    try store.hear(Key(UInt64(written) | 1 << 63, 1, 0, 0))
                    try store.hear(Key(UInt64(written) | 1 << 63, 2, 0, 0))
                    try await store.flush()
                    written += 1
                }
                return written
            }
            for round in 0..<5 {
                try await store.backup(to: scratch.path("\(round).db"))
                let copy = try await Store.open(scratch.path("\(round).db"), mode: .readOnly)
                #expect(try copy.countPeers().isMultiple(of: 2))
                try await copy.close()
            }
            writing.cancel()
            let written = try await writing.value
            #expect(try store.countPeers() == 20_000 + 2 * written)
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("made unasked has a name that says when")
    func dated() {
        let lastSecond: Int64 = 1_767_225_599_999
        #expect(BackupFile.dated("/x/a.db", "schema-1", at: lastSecond) == "/x/a.db.schema-1-20251231T235959Z")
        #expect(BackupFile.dated("a.db", "schema-1", at: lastSecond + 1) == "a.db.schema-1-20260101T000000Z")
    }

    @Test("does not take the place of a database that was opened while the copy was made")
    func openedMeanwhile() async throws {
        let scratch = Scratch()
        let target = scratch.path("b.db")
        try await scratch.withStore { store in
            try await store.fill(keys(10))
            try await store.backup(to: target)
            try await store.fill([Key(99, 0, 0, 0)])
            let opened = Mutex<Connection?>(nil)
            var options = BackupOptions()
            options.replaces = true
            options.onProgress = { _ in
                opened.withLock { connection in
                    guard connection == nil else { return }
                    connection = try? Connection(path: target, access: .readWrite)
                    _ = try? connection?.integer("SELECT count(*) FROM peer")
                }
            }
            await #expect {
                try await store.backup(to: target, options)
            } throws: { error in
                guard case StoreError.inUse(target, _, _) = error else { return false }
                return true
            }
            let count = try opened.withLock { try $0?.integer("SELECT count(*) FROM peer") }
            #expect(count == 10)
            opened.withLock { $0 = nil }
        }
        let kept = try await Store.open(target, mode: .readOnly)
        #expect(try kept.countPeers() == 10)
        try await kept.close()
        #expect(try !files(scratch).contains { $0.hasPrefix(".kadstore") })
    }

    @Test("never takes the place of a file unasked, of the store itself, or of a database that is open")
    func places() async throws {
        let scratch = Scratch()
        var other: Store? = try await Store.open(scratch.path("other.db"), mode: .create(.plain, .private))
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            func error(_ name: String, replacing: Bool = true) async -> StoreError? {
                var options = BackupOptions()
                options.replaces = replacing
                do throws(StoreError) {
                    try await store.backup(to: scratch.path(name), options)
                    return nil
                } catch {
                    return error
                }
            }
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path("link.db"), withDestinationPath: scratch.path())
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path("elsewhere"), withDestinationPath: "/dev/null")
            try FileManager.default.linkItem(atPath: scratch.path(), toPath: scratch.path("hard.db"))
            for name in [
                "peers.db", "peers.db-wal", "peers.db-shm", "peers.db-journal", "peers.db-lock", "link.db", "hard.db",
            ] {
                guard case .invalidArgument = await error(name) else {
                    Issue.record("\(name) was taken")
                    continue
                }
            }
            guard case .notReplaceable = await error("elsewhere") else { throw StoreError.closed }
            _ = FileManager.default.createFile(atPath: scratch.path("there"), contents: Data("x".utf8))
            #expect(await error("there", replacing: false) == .exists(path: scratch.path("there")))
            #expect(FileManager.default.contents(atPath: scratch.path("there")) == Data("x".utf8))
            guard case .inUse = await error("other.db") else { throw StoreError.closed }
            _ = FileManager.default.createFile(atPath: scratch.path("new.db-wal"), contents: Data("x".utf8))
            guard case .notReplaceable = await error("new.db", replacing: false) else { throw StoreError.closed }
            // Whoever writes that store would make it his lock.
            guard case .notReplaceable = await error("other.db-lock") else { throw StoreError.closed }
            guard case .system = await error(String(repeating: "n", count: 250)) else { throw StoreError.closed }
            #expect(await error("there") == nil)
            try await other?.close()
            other = nil
            #expect(await error("other.db") == nil)
        }
        #expect(try !files(scratch).contains { $0.hasPrefix(".kadstore") })
    }

    @Test("of a damaged store is refused, unless it is asked for, and replaces nothing")
    func damaged() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            try await store.backup(to: scratch.path("b.db"))
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE peer SET addresses = x'ff01', seal = NULL")
            var options = BackupOptions()
            options.replaces = true
            let error = await #expect(throws: StoreError.self) {
                try await store.backup(to: scratch.path("b.db"), options)
            }
            guard case .unsound(scratch.path(), 1, _) = error else { throw StoreError.closed }
            let good = try await Store.open(scratch.path("b.db"), mode: .readOnly)
            #expect(try await good.check(full: true).isSound)
            try await good.close()
            options.acceptsProblems = true
            let report = try await store.backup(to: scratch.path("b.db"), options)
            #expect(report.problem?.contains("addresses") == true)
        }
    }

    @Test("that is cancelled leaves nothing")
    func cancelled() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try await store.fill(keys(5_000))
            let task = Task { try await store.backup(to: scratch.path("b.db")) }
            task.cancel()
            await #expect(throws: StoreError.interrupted(done: 0)) { try await task.value }
            #expect(try files(scratch).allSatisfy { $0.hasPrefix("peers.db") })
        }
    }
}
