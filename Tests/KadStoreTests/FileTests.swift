import Foundation
import Kademlia
import Migrations
import Synchronization
import Testing

@testable import KadStore

@Suite("Vacuum, checkpoint, and the file alone")
struct FileTests {
    @Test("a vacuum gives back the room of peers that are gone, and changes nothing else")
    func vacuum() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try await store.fill((0..<20_000).map { Key(UInt64($0 + 1) << 40, 0, 0, UInt64($0) &* 2) })
            try store.hear(Key(.max, 0, 0, 0))
            try await store.flush()
            var rules = PruneRules()
            rules.conditions = [.notSeen(since: .seconds(-1))]
            #expect(try await store.prune(rules).peers == 20_000)
            let report = try await store.vacuum()
            #expect(report.isLogEmpty && report.logBytes == 0)
            #expect(report.fileBytes < report.fileBytesBefore || report.fileBytes < 300_000)
            try store.hear(Key(1, 0, 0, 0))
            #expect(try store.peers().peers.count == 2)
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("a vacuum says when a reader keeps the log, and with it the file's size")
    func vacuumBesideReader() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            let reader = try Connection(path: scratch.path(), access: .readOnly)
            try reader.execute("BEGIN")
            _ = try reader.integer("SELECT count(*) FROM peer")
            let held = try await store.vacuum()
            #expect(!held.isLogEmpty && held.logBytes > 0)
            try reader.execute("COMMIT")
            #expect(try await store.vacuum().isLogEmpty)
        }
    }

    @Test("a checkpoint moves the log, and says when a reader keeps it from being emptied")
    func checkpoint() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.syncMilliseconds = 20
        try await scratch.withStore(options: options) { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            let reader = try Connection(path: scratch.path(), access: .readOnly)
            try reader.execute("BEGIN")
            _ = try reader.integer("SELECT count(*) FROM peer")
            try store.hear(Key(2, 0, 0, 0))
            let held = try await store.checkpoint()
            #expect(!held.isLogEmpty && held.logBytes > 0 && held.movedPages < held.logPages)
            try reader.execute("COMMIT")
            let free = try await store.checkpoint()
            #expect(free.isLogEmpty && free.logBytes == 0)
            // What stands in the file is on the medium: no sync follows that would write to the log again.
            try await Task.sleep(for: .milliseconds(60))
            #expect(try await store.checkpoint().logBytesBefore == 0)
        }
    }

    @Test("a busy lock of SQLite's is waited for as long as was asked, and the error says how long that was")
    func busy() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.waitMilliseconds = 40
        try await scratch.withStore(options: options) { store in
            let foreign = try Connection(path: scratch.path(), access: .readWrite)
            try foreign.execute("BEGIN IMMEDIATE")
            try store.hear(Key(1, 0, 0, 0))
            let error = await #expect(throws: StoreError.self) { try await store.flush() }
            guard case .locked(scratch.path(), _, let waited)? = error else { throw StoreError.closed }
            #expect(waited >= 40)
            try foreign.execute("ROLLBACK")
            try await store.flush()
        }
    }

    @Test("one file has one lock, whatever it is called")
    func symbolicLink() async throws {
        let scratch = Scratch()
        try await scratch.withStore { _ in }
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path("link.db"), withDestinationPath: scratch.path())
        let lock = try WriteLock(database: scratch.path())
        try lock.withLock(waitMilliseconds: 0) {
            let other = try WriteLock(database: scratch.path("link.db"))
            #expect(throws: StoreError.self) { try other.withLock(waitMilliseconds: 0) {} }
        }
    }

    @Test("a name that leaves no room for the lock's makes no file")
    func longName() async throws {
        let scratch = Scratch()
        let path = scratch.path(String(repeating: "n", count: 251))
        await #expect(throws: StoreError.self) { try await Store.open(path, mode: .create(.plain, .private)) }
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}

@Suite("The lock for writing")
struct WriteLockTests {
    @Test("goes to whoever waits, though another takes it again at once")
    func turns() throws {
        let scratch = Scratch()
        let waiters = 6
        let left = Atomic(waiters)
        let taken = Atomic(0)
        let faults = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: waiters + 1) { index in
            do {
                let lock = try WriteLock(database: scratch.path())
                if index == 0 {
                    // As a bulk load does between two transactions.
                    while left.load(ordering: .relaxed) > 0 {
                        try lock.withLock(waitMilliseconds: 600_000) { _ = usleep(2_000) }
                        taken.add(1, ordering: .relaxed)
                    }
                } else {
                    for _ in 0..<8 { try lock.withLock(waitMilliseconds: 600_000) { _ = usleep(500) } }
                    left.subtract(1, ordering: .relaxed)
                }
            } catch {
                left.store(0, ordering: .relaxed)
                faults.withLock { $0.append("\(error)") }
            }
        }
        #expect(faults.withLock { $0 } == [])
        // In turns it is some two for each of theirs; without, thousands.
        #expect(taken.load(ordering: .relaxed) < 48 * 20)
    }

    @Test("is not kept from others by one who was killed or stopped while it waited")
    func leftMark() throws {
        let scratch = Scratch()
        let lock = try WriteLock(database: scratch.path())
        let descriptor = open(scratch.path() + "-lock", O_RDWR)
        defer { close(descriptor) }
        var gone = LockQueue(descriptor)
        let wasFirst = gone.wait()
        #expect(wasFirst)
        // Who asks once asks at once.
        #expect(try lock.withLock(waitMilliseconds: 0) { true })
        #expect(try lock.withLock(waitMilliseconds: 600_000) { true })
        var next = LockQueue(descriptor)
        let isNext = next.wait()
        #expect(isNext && next.isMyTurn)
    }

    @Test("is needed: without it nothing is committed, and nothing moved from the log")
    func needed() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            try await store.flush()
            try await store.writer?.perform { writer in
                let connection = try writer.records().reader.connection
                #expect(throws: (any Error).self) {
                    try connection.writeTransaction { try connection.execute("DELETE FROM peer") }
                }
                #expect(throws: (any Error).self) { try connection.execute("DELETE FROM peer") }
                #expect(throws: (any Error).self) { try connection.checkpoint(truncating: false) }
                #expect(throws: (any Error).self) { try connection.checkpoint(truncating: true) }
            }
            #expect(try store.countPeers() == 1)
            #expect(try await store.checkpoint().isLogEmpty)
        }
    }
}

@Suite("An upgrade")
struct UpgradeTests {
    @Test("needs the file alone: by opening and by asking, and is made once")
    func alone() async throws {
        let scratch = Scratch()
        try OldFile.make("V0001", at: scratch.path())
        var options = MigrateOptions()
        options.waitMilliseconds = 20
        var opening = StoreOptions()
        opening.waitMilliseconds = 20
        do {
            let other = try Connection(path: scratch.path(), access: .readOnly)
            _ = try other.integer("SELECT count(*) FROM peer")
            for _ in 0..<2 {
                let error = await #expect(throws: StoreError.self) { try await Store.migrate(scratch.path(), options) }
                guard case .inUse? = error else { throw StoreError.closed }
            }
            let error = await #expect(throws: StoreError.self) {
                try await Store.open(scratch.path(), options: opening)
            }
            guard case .inUse? = error else { throw StoreError.closed }
            #expect(try other.integer("PRAGMA user_version") == 1)
        }
        options.isDryRun = true
        var report = try await Store.migrate(scratch.path(), options)
        #expect(report.from == 1 && report.to == 4 && report.backup == nil)
        #expect(report.changes == ["V0002_engine", "V0003_values", "V0004_seals"])
        options.isDryRun = false
        report = try await Store.migrate(scratch.path(), options)
        let backup = try #require(report.backup)
        #expect(try Connection(path: backup, access: .readOnly).integer("PRAGMA user_version") == 1)
        #expect(try await Store.migrate(scratch.path(), options).isCurrent)
        let store = try await Store.open(scratch.path())
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }

    @Test("that rewrites rows is not made by opening")
    func rewriting() throws {
        var rewriting = try #require(Upgrade.pending(from: 0).last)
        #expect(Upgrade.isAutomatic(Upgrade.pending(from: 1)))
        rewriting.rewritesData = true
        #expect(!Upgrade.isAutomatic(Upgrade.pending(from: 0) + [rewriting]))
        #expect(Upgrade.isAutomatic([]))
    }
}
