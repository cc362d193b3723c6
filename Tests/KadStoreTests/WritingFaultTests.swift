import Foundation
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadStore

@Suite("Writing that meets trouble")
struct WritingFaultTests {
    /// Nothing is committed by itself while a test runs.
    private static var quiet: StoreOptions {
        var options = StoreOptions()
        options.batchCount = 100_000
        options.batchMilliseconds = 3_600_000
        options.syncMilliseconds = 3_600_000
        return options
    }

    @Test("a checkpoint that fails after a commit does not undo or repeat the commit")
    func failedCheckpoint() async throws {
        let scratch = Scratch()
        var options = Self.quiet
        options.checkpointFrames = 1
        try await scratch.withStore(options: options) { store in
            let writer = try #require(store.writer)
            // A statement that is still running keeps this connection from checkpointing.
            let running = try await writer.perform { writer in
                let query = try writer.records().reader.connection.prepare("SELECT 1 FROM network")
                _ = try query.step()
                return Held(query)
            }
            let peer = try store.peer(at: Key(1, 0, 0, 0))
            try store.record(.answered(peer, address: nil, rtt: nil, at: .seconds(1)))
            try? await store.flush()
            try? await store.flush()
            #expect(try store.record(of: peer.key)?.successes == 1)
            try await writer.perform { _ in running.value.reset() }
            try await store.flush()
            #expect(try store.record(of: peer.key)?.successes == 1)
        }
    }

    @Test("a flush ends although events never cease")
    func busyFlush() async throws {
        let scratch = Scratch()
        var options = Self.quiet
        let feed = Feed(limit: 100)
        let now: @Sendable () -> Instant = {
            // Asked for inside each commit: one more event comes during each.
            feed.record()
            return .seconds(0)
        }
        options.now = now
        let store = try await Store.open(scratch.path(), mode: .create(.plain, .private), options: options)
        try store.hear(Key(1, 0, 0, 0))
        feed.store.withLock { $0 = store }
        try await store.flush()
        feed.store.withLock { $0 = nil }
        #expect(feed.taken.withLock { $0 } < 10)
        try await store.close()
    }

    @Test("what was recorded while the store closes is kept, or was refused")
    func recordedWhileClosing() async throws {
        let scratch = Scratch()
        var options = Self.quiet
        let feed = Feed()
        let now: @Sendable () -> Instant = {
            feed.record()
            return .seconds(0)
        }
        options.now = now
        let store = try await Store.open(scratch.path(), mode: .create(.plain, .private), options: options)
        try store.hear(Key(99, 0, 0, 0))
        feed.store.withLock { $0 = store }
        try await store.close()
        feed.store.withLock { $0 = nil }
        let again = try await Store.open(scratch.path())
        #expect(try again.peers().peers.count == 1 + feed.taken.withLock { $0 })
        try await again.close()
    }

    @Test("a timed sync that finds the lock taken is made up for")
    func syncIsRetried() async throws {
        let scratch = Scratch()
        var options = Self.quiet
        options.waitMilliseconds = 0
        options.batchMilliseconds = 1
        options.syncMilliseconds = 20
        try await scratch.withStore(options: options) { store in
            let writer = try #require(store.writer)
            let lock = try WriteLock(database: scratch.path())
            try await writer.perform { try $0.transaction { _ in } }
            try lock.withLock(waitMilliseconds: 1_000) { _ = usleep(200_000) }
            for _ in 0..<400 where try await writer.perform({ $0.isUnsynced }) {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try await writer.perform { $0.isUnsynced } == false)
        }
    }

    @Test("a bucket that no table has is refused, and blocks nothing")
    func impossibleBucket() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: Self.quiet) { store in
            let me = try await store.identity(try store.peer(at: Key(1, 0, 0, 0)).id)
            for index in [-1, 256, Int.max] {
                let bucket = BucketSnapshot(index: index, refreshedAt: nil, live: [], replacements: [])
                #expect(throws: StoreError.self) { try store.record(.bucket(bucket, identity: me.number)) }
            }
            try store.hear(Key(2, 0, 0, 0))
            try await store.flush()
        }
    }

    @Test("names of a restore that failed are not given to other peers")
    func rolledBackNames() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: Self.quiet) { store in
            var ghost = PeerRecord(peer: try store.peer(at: Key(1, 0, 0, 0)), firstSeen: .seconds(0))
            ghost.agent = "ghost"
            ghost.protocols = ["/ghost"]
            let items = Mutex([RestoreItem.peer(ghost), .peer(ghost)])
            await #expect(throws: StoreError.self) {
                try await store.restore { items.withLock { $0.popLast() } }
            }
            let real = try store.peer(at: Key(2, 0, 0, 0))
            try store.record(.identified(real, agent: "real", protocols: ["/real"], at: .seconds(0)))
            try await store.flush()
            try store.hear(real.key)
            try await store.flush()
        }
        let again = try await Store.open(scratch.path(), mode: .readOnly)
        let record = try #require(try again.peers().peers.first)
        #expect(record.agent == "real")
        #expect(record.protocols == ["/real"])
        try await again.close()
    }

    @Test("a queued tombstone counts as much as a written one")
    func queuedTombstone() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: Self.quiet) { store in
            let key = Key(1, 0, 0, 0)
            try store.hear(key)
            let stone = Tombstone(
                key: key, droppedAt: .seconds(1), streakMilli: 3_000, notBefore: .seconds(60), waitMilliseconds: 59_000)
            try store.record(.forgotten(try store.peer(at: key), leaving: stone))
            #expect(try store.tombstones().tombstones == [stone])
            try store.hear(key)
            let queued = try store.record(of: key)
            #expect(queued?.backoff?.streakMilli == 3_000)
            try await store.flush()
            #expect(try store.record(of: key) == queued)
            #expect(try store.tombstones().tombstones == [stone])

            // An answer takes the tombstone away, queued or written.
            try store.record(.answered(try store.peer(at: key), address: nil, rtt: nil, at: .seconds(90)))
            #expect(try store.tombstones().tombstones == [])
            try await store.flush()
            #expect(try store.tombstones().tombstones == [])
        }
    }

    @Test("a queued mark of time goes forward only, as a written one does")
    func queuedClock() async throws {
        let scratch = Scratch()
        try await scratch.withStore(options: Self.quiet) { store in
            try store.record(.clock(ClockMark(highWater: .seconds(10), onlineMilliseconds: 9)))
            try await store.flush()
            try store.record(.clock(ClockMark(highWater: .seconds(20), onlineMilliseconds: 3)))
            try store.record(.clock(ClockMark(highWater: .seconds(5), onlineMilliseconds: 4)))
            let queued = try store.clock()
            #expect(queued == ClockMark(highWater: .seconds(20), onlineMilliseconds: 9))
            try await store.flush()
            #expect(try store.clock() == queued)
        }
    }

    @Test("a new identity gets a number although the highest one is taken")
    func lastNumber() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let first = Identity(
                number: .max, peer: try store.peer(at: Key(1, 0, 0, 0)), label: "", createdAt: .seconds(0))
            let items = Mutex([RestoreItem.identity(first)])
            try await store.restore { items.withLock { $0.popLast() } }
            let second = try await store.identity(try store.peer(at: Key(2, 0, 0, 0)).id)
            #expect(second.number != first.number)
            #expect(try store.identities().count == 2)
        }
    }
}

/// Records peers into a store from wherever it is told to.
private final class Feed: Sendable {
    let store = Mutex<Store?>(nil)
    let taken = Mutex(0)
    private let limit: Int

    init(limit: Int = .max) { self.limit = limit }

    func record() {
        guard let store = store.withLock({ $0 }), taken.withLock({ $0 < limit }) else { return }
        let number = taken.withLock { $0 + 1 }
        guard (try? store.hear(Key(UInt64(number), 0, 0, 0))) != nil else { return }
        taken.withLock { $0 = number }
    }
}

/// Something that the test passes between threads, one at a time.
private struct Held<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
