import Foundation
import Kademlia
import Multiformats
import Synchronization
import TestSupport
import Testing

@testable import KadStore

@Suite("Writing to a store")
struct WritingTests {
    @Test("keeps all that a peer did across closing and opening")
    func remembers() async throws {
        let scratch = Scratch()
        let key = Key(1, 2, 3, 4)
        let before = try await scratch.withStore { store in
            try store.hear(key)
            let peer = try store.peer(at: key)
            try store.record(.heard(peer, addresses: [.test(9)], source: "gossip", at: .seconds(1)))
            try store.record(.answered(peer, address: .test(4), rtt: 20_000, at: .seconds(2)))
            try store.record(.answered(peer, address: .test(4), rtt: 40_000, at: .seconds(3)))
            try store.record(
                .identified(peer, agent: "agent/1", protocols: ["/b", "", "/a", "/b"], at: .seconds(4)))
            try store.record(.failed(peer, address: .test(9), .timeout, at: .seconds(5)))
            try store.record(.failed(peer, address: .test(9), .timeout, at: .seconds(6)))
            try store.record(.failed(peer, address: nil, .badResponse, at: .seconds(7)))
            let state = BackoffState(
                streakMilli: 1_500, streakAt: .seconds(7), lastClass: .badResponse, notBefore: .seconds(100),
                waitMilliseconds: 93_000, outcomes: 7, outcomeCount: 5, breaker: .open, openings: 1,
                openedAt: .seconds(7))
            try store.record(.backoff(peer, state))
            return try store.record(of: key)
        }
        let record = try #require(before)
        #expect(record.firstSeen == .seconds(0))
        #expect(record.lastSeen == .seconds(4))
        #expect(record.lastOK == .seconds(3))
        #expect(record.successes == 2)
        // RFC 6298: SRTT = 7/8 · 20 + 1/8 · 40 ms; RTTVAR = 3/4 · 10 + 1/4 · 20 ms.
        #expect(record.rtt == RTTEstimate(smoothed: 22_500, variation: 12_500))
        #expect(record.protocols == ["/a", "/b"])
        #expect(record.addresses.map(\.address) == [.test(4), .test(9)])
        #expect(record.addresses.map(\.failures) == [0, 2])
        #expect(record.addresses.map(\.source) == ["test", "gossip"])
        #expect(record.failures.map(\.count) == [1, 2])
        #expect(record.failureCount == 3)
        #expect(record.backoff?.remaining(at: .seconds(50)) == 50_000)
        #expect(record.standing == .failing)

        let again = try await Store.open(scratch.path())
        #expect(try again.record(of: key) == record)
        #expect(try await again.check(full: true).problems == [])
        try await again.close()
    }

    @Test("a failure of an unknown peer leaves no trace; forgetting leaves a tombstone that outlives gossip")
    func forgetting() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let key = Key(7, 0, 0, 0)
            let peer = try store.peer(at: key)
            try store.record(.failed(peer, address: nil, .timeout, at: .seconds(0)))
            #expect(try store.record(of: key) == nil)
            try store.hear(key)
            let stone = Tombstone(
                key: key, droppedAt: .seconds(1), streakMilli: 3_000, lastClass: .badResponse, notBefore: .seconds(60),
                waitMilliseconds: 59_000)
            try store.record(.forgotten(peer, leaving: stone))
            #expect(try store.record(of: key) == nil)
            try await store.flush()
            #expect(try store.record(of: key) == nil)
            #expect(try store.tombstones().tombstones == [stone])
            try store.hear(key)
            #expect(try store.record(of: key)?.backoff?.streakMilli == 3_000)
            // Misbehaviour is not washed away by being forgotten and heard of again.
            #expect(try store.record(of: key)?.backoff?.lastClass == .badResponse)
            #expect(try store.record(of: key)?.backoff?.remaining(at: .seconds(30)) == 30_000)
            try store.record(.answered(peer, address: nil, rtt: nil, at: .seconds(90)))
            try await store.flush()
            #expect(try store.tombstones().tombstones == [])
        }
    }

    @Test("a tombstone goes when its streak has decayed by the time of a newer one, misbehaviour later")
    func oldTombstones() async throws {
        let scratch = Scratch()
        let day: Int64 = 86_400
        try await scratch.withStore { store in
            func drop(_ number: UInt64, _ failureClass: FailureClass, day number2: Int64) async throws {
                let key = Key(number, 0, 0, 0)
                let stone = Tombstone(
                    key: key, droppedAt: .seconds(number2 * day), streakMilli: 1_000, lastClass: failureClass)
                try store.hear(key)
                try store.record(.forgotten(try store.peer(at: key), leaving: stone))
                try await store.flush()
            }
            try await drop(1, .timeout, day: 0)
            try await drop(2, .badResponse, day: 0)
            try await drop(3, .timeout, day: 7)
            #expect(try store.tombstones().tombstones.map(\.key.word0) == [1, 2, 3])
            try await drop(4, .timeout, day: 8)
            #expect(try store.tombstones().tombstones.map(\.key.word0) == [2, 3, 4])
            try await drop(5, .timeout, day: 29)
            #expect(try store.tombstones().tombstones.map(\.key.word0) == [5])
        }
    }

    @Test("keeps strings byte for byte, where Unicode calls them equal")
    func exactStrings() async throws {
        let scratch = Scratch()
        let names = ["\u{e9}", "e\u{301}", "a\r", "\u{212b}", "\u{c5}"]
        try await scratch.withStore { store in
            for (index, name) in names.enumerated() {
                let peer = try store.peer(at: Key(UInt64(index), 0, 0, 0))
                try store.record(.identified(peer, agent: name, protocols: [name, "z\n"], at: .seconds(0)))
            }
        }
        let again = try await Store.open(scratch.path(), mode: .readOnly)
        let peers = try again.peers().peers
        #expect(peers.map { Array($0.agent?.utf8 ?? "".utf8) } == names.map { Array($0.utf8) })
        #expect(peers.map { $0.protocols.map { Array($0.utf8) } } == names.map { [Array($0.utf8)] })
        try await again.close()
    }

    @Test("computes a key once, however often its peer comes")
    func hashesOnce() async throws {
        let scratch = Scratch()
        let hashes = Mutex(0)
        let counter: @Sendable () -> Void = { hashes.withLock { $0 += 1 } }
        var options = StoreOptions()
        options.onHash = counter
        let id = try #require(PeerID([0, 36, 8, 1, 18, 32] + [UInt8](repeating: 7, count: 32)))
        try await scratch.withStore("a.db", .libp2p, options: options) { store in
            for second in 0..<1_000 {
                let peer = try store.peer(id)
                try store.record(.heard(peer, addresses: [.test(1)], source: nil, at: .seconds(Int64(second))))
            }
            try await store.flush()
        }
        #expect(hashes.withLock { $0 } == 1)

        let again = try await Store.open(scratch.path("a.db"), options: options)
        let found = try #require(try again.nearest(to: .zero).peers.first)
        try again.record(.answered(found.peer, address: nil, rtt: nil, at: .seconds(2_000)))
        #expect(try again.record(of: found.key)?.successes == 1)
        try await again.close()
        #expect(hashes.withLock { $0 } == 1)
    }

    @Test("is seen by reads at once, before and after commits, from many tasks")
    func visibility() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.batchCount = 16
        try await scratch.withStore(options: options) { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<4 {
                    group.addTask {
                        let key = Key(UInt64(task + 1), 0, 0, 0)
                        let peer = try store.peer(at: key)
                        for count in 1...300 {
                            try store.record(.answered(peer, address: nil, rtt: nil, at: .seconds(Int64(count))))
                            let seen = try store.record(of: key)?.successes
                            #expect(seen == count, "an answer was seen \(seen ?? 0) times, not \(count)")
                            if count % 50 == 0 {
                                #expect(try store.nearest(to: key, count: 1).peers.first?.key == key)
                                await Task.yield()
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        let again = try await Store.open(scratch.path())
        #expect(try again.peers().peers.map(\.successes) == [300, 300, 300, 300])
        try await again.close()
    }

    @Test("merges with what another process writes meanwhile")
    func twoWriters() async throws {
        let scratch = Scratch()
        try await scratch.withStore { first in
            let second = try await Store.open(scratch.path())
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, store) in [first, second].enumerated() {
                    group.addTask {
                        for count in 1...40 {
                            let peer = try store.peer(at: Key(UInt64(count % 5 + 1), 0, 0, 0))
                            try store.record(
                                .answered(peer, address: nil, rtt: nil, at: .seconds(Int64(count * 2 + number))))
                            if count % 4 == 0 { try await store.flush() }
                        }
                    }
                }
                try await group.waitForAll()
            }
            for store in [first, second] {
                #expect(try store.peers().peers.reduce(0) { $0 + $1.successes } == 80)
            }
            try await second.close()
        }
    }

    @Test("refuses more than may wait, says so, and goes on after a flush")
    func backlog() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.queueLimit = 10
        options.batchCount = 1_000
        options.batchMilliseconds = 3_600_000
        try await scratch.withStore(options: options) { store in
            for index in 1...10 { try store.hear(Key(UInt64(index), 0, 0, 0)) }
            #expect(throws: StoreError.backlog(limit: 10)) { try store.hear(Key(99, 0, 0, 0)) }
            try await store.flush()
            try store.hear(Key(99, 0, 0, 0))
            #expect(try store.peers().peers.count == 11)
        }
    }

    @Test("commits by itself when a batch is full and when its time has come")
    func batches() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.batchCount = 4
        options.batchMilliseconds = 50
        try await scratch.withStore(options: options) { store in
            let reader = try await Store.open(scratch.path(), mode: .readOnly)
            func waitFor(_ count: Int) async throws -> Bool {
                for _ in 0..<400 {
                    if try reader.peers().peers.count == count { return true }
                    try await Task.sleep(for: .milliseconds(10))
                }
                return false
            }
            for index in 1...4 { try store.hear(Key(UInt64(index), 0, 0, 0)) }
            #expect(try await waitFor(4))
            try store.hear(Key(5, 0, 0, 0))
            #expect(try await waitFor(5))
            try await reader.close()
        }
    }

    @Test("waits for another process's lock no longer than it was told, and loses nothing by it")
    func lockedOut() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.waitMilliseconds = 50
        try await scratch.withStore(options: options) { store in
            try store.hear(Key(1, 0, 0, 0))
            let (held, release) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let path = scratch.path()
            Thread.detachNewThread {
                try? WriteLock(database: path).withLock(waitMilliseconds: 0) {
                    held.signal()
                    release.wait()
                }
            }
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                DispatchQueue.global().async {
                    held.wait()
                    done.resume()
                }
            }
            let error = await #expect(throws: StoreError.self) { try await store.flush() }
            guard case .locked(path + "-lock", let holders, let waited)? = error else { throw StoreError.closed }
            #expect(waited >= 50)
            #if os(Linux)
            // The system's table may miss an entry while others change it.
            var named = (holders, error)
            for _ in 0..<20 where named.0.isEmpty {
                named.1 = await #expect(throws: StoreError.self) { try await store.flush() }
                if case .locked(_, let holders, _)? = named.1 { named.0 = holders }
            }
            #expect(named.0 == [getpid()])
            #expect(named.1?.description.contains("(process \(getpid()))") == true)
            #endif
            // What nobody waits for fails as well, and says so until it goes well.
            func commitFault(isThere: Bool) async throws {
                while (store.commitFault != nil) != isThere { try await Task.sleep(for: .milliseconds(10)) }
            }
            try await commitFault(isThere: true)
            guard case .locked? = store.commitFault else { throw StoreError.closed }
            release.signal()
            #expect(try store.peers().peers.count == 1)
            try await commitFault(isThere: false)
            try await store.flush()
        }
        let again = try await Store.open(scratch.path())
        #expect(try again.peers().peers.count == 1)
        try await again.close()
    }

    @Test("after closing, every call says so")
    func closed() async throws {
        let scratch = Scratch()
        let store = try await Store.open(scratch.path(), mode: .create(.plain, .private))
        try await store.close()
        try await store.close()
        #expect(throws: StoreError.closed) { try store.hear(Key(1, 0, 0, 0)) }
        #expect(throws: StoreError.closed) { try store.peers() }
        await #expect(throws: StoreError.closed) { try await store.flush() }
    }

    @Test("candidates are heard, tried and forgotten, queued or not")
    func candidates() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for phase in 0..<2 {
                try store.record(.candidateHeard(.test(1), source: "dht", at: .seconds(1)))
                try store.record(.candidateHeard(.test(2), source: "dht", at: .seconds(Int64(2 + phase))))
                try store.record(.candidateTried(.test(2), at: .seconds(5)))
                try store.record(.candidateForgotten(.test(1)))
                let found = try store.candidates().candidates
                #expect(found.map(\.address) == [.test(2)])
                #expect(found.map(\.tries) == [1 + phase])
                #expect(found.map(\.lastSeen) == [.seconds(Int64(2 + phase))])
                try await store.flush()
                #expect(try store.candidates().candidates == found)
            }
        }
    }

    @Test("the mark of time only goes forward")
    func clock() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.record(.clock(ClockMark(highWater: .seconds(10), onlineMilliseconds: 5, bootID: "b")))
            try await store.flush()
            try store.record(.clock(ClockMark(highWater: .seconds(3), onlineMilliseconds: 9)))
            try await store.flush()
            #expect(try store.clock() == ClockMark(highWater: .seconds(10), onlineMilliseconds: 9))
        }
    }
}
