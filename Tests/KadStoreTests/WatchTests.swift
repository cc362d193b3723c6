import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

@Suite("Watching a store that somebody writes")
struct WatchTests {
    /// A store that is written, and another opening of it that watches.
    private func watching(
        _ body: (_ writer: Store, _ reader: Store, _ watch: inout StoreWatch) async throws -> Void
    ) async throws {
        let scratch = Scratch()
        try await scratch.withStore { writer in
            let reader = try await Store.open(writer.path, mode: .readOnly)
            var watch = reader.watch()
            try await body(writer, reader, &watch)
            try await reader.close()
        }
    }

    @Test(
        "finds exactly those who answered and failed since the look before, among thousands",
        arguments: Seeds.first(2))
    func changes(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        try await watching { writer, _, watch in
            let keys = (0..<4_000).map { _ in Key.random(using: &random) }
            for key in keys { try writer.hear(key, at: .systemClock()) }
            try await writer.flush()
            #expect(try watch.look().peers == 4_000)
            for round in 0..<12 {
                let chosen = keys.shuffled(using: &random).prefix(round * 7)
                let now = Instant.systemClock()
                var answered: Set<Key> = []
                var failed: [Key: FailureClass] = [:]
                for (index, key) in chosen.enumerated() {
                    let peer = try writer.peer(at: key)
                    if index.isMultiple(of: 3) {
                        let failureClass: FailureClass = index.isMultiple(of: 2) ? .timeout : .refused
                        try writer.record(.failed(peer, address: nil, failureClass, at: now))
                        failed[key] = failureClass
                    } else {
                        try writer.record(.answered(peer, address: nil, rtt: 1_000, at: now))
                        answered.insert(key)
                    }
                }
                try await writer.flush()
                let glance = try watch.look()
                #expect(glance.answers == answered.count && glance.failures == failed.count, "seed \(seed)")
                #expect(glance.isComplete && (glance.commits > 0) == !chosen.isEmpty)
                #expect(glance.changes.count == min(StoreWatch.maximumChanges, chosen.count), "seed \(seed)")
                for change in glance.changes {
                    switch change.outcome {
                    case .answered(let rtt): #expect(answered.contains(change.key) && rtt == 1_000)
                    case .failed(let failureClass): #expect(failed[change.key] == failureClass)
                    }
                    #expect(change.id == (try writer.peer(at: change.key).id))
                }
                for failureClass in [FailureClass.timeout, .refused] {
                    let count = failed.values.filter { $0 == failureClass }.count
                    #expect(glance.failuresByClass[failureClass] ?? 0 == count, "seed \(seed)")
                }
                let idle = try watch.look()
                #expect(idle.answers == 0 && idle.failures == 0 && idle.commits == 0 && idle.changes.isEmpty)
                // Two looks at one millisecond would see one change.
                try await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    @Test("counts several answers and failures of one peer, commits, held failures and lookups")
    func counts() async throws {
        var random = SeededGenerator(seed: 1)
        try await watching { writer, _, watch in
            let key = Key.random(using: &random)
            let peer = try writer.peer(at: key)
            _ = try watch.look()
            for _ in 0..<3 {
                try await Task.sleep(for: .milliseconds(2))
                try writer.record(.answered(peer, address: nil, rtt: 5, at: .systemClock()))
                try writer.record(.failed(peer, address: nil, .timeout, at: .systemClock()))
                try await writer.flush()
            }
            let first = try watch.look()
            #expect(first.answers == 1 && first.failures == 3 && first.commits >= 3 && first.pages >= 3)
            #expect(first.lastCommit != nil && first.logBytes > 0 && first.fileBytes > 0)
            for _ in 0..<4 {
                try await Task.sleep(for: .milliseconds(2))
                try writer.record(.answered(peer, address: nil, rtt: 5, at: .systemClock()))
            }
            try writer.record(
                .held(OutageGuard.Held(key: key, group: nil, failureClass: .timeout, at: .systemClock())))
            try writer.record(.lookedUp(LookupSummary(finishedAt: .systemClock(), reason: .complete)))
            try await writer.flush()
            let second = try watch.look()
            #expect(second.answers == 4 && second.failures == 0 && second.commits >= 1)
            #expect(second.heldFailures == 1 && second.lookups.count == 1 && second.peers == 1)
        }
    }

    @Test("keeps nobody from emptying the log, and goes on with the next one")
    func emptiesLog() async throws {
        var random = SeededGenerator(seed: 1)
        try await watching { writer, _, watch in
            for round in 0..<5 {
                let peer = try writer.peer(at: Key.random(using: &random))
                try writer.record(.answered(peer, address: nil, rtt: 5, at: .systemClock()))
                try await writer.flush()
                let glance = try watch.look()
                #expect(glance.answers == 1 && glance.peers == round + 1)
                #expect(fileSize(writer.path + "-wal") > 0)
                try await writer.writer?.perform { try $0.checkpoint(truncating: true) }
                #expect(fileSize(writer.path + "-wal") == 0)
                #expect(try watch.look().answers == 0)
            }
        }
    }

    @Test("a look costs what has changed, not what there is")
    func cost() async throws {
        var random = SeededGenerator(seed: 1)
        try await watching { writer, reader, watch in
            let keys = (0..<100_000).map { _ in Key.random(using: &random) }
            try await writer.fill(keys)
            _ = try watch.look()
            try await writer.writer?.perform { try $0.checkpoint(truncating: true) }
            for key in keys.prefix(10) {
                try writer.record(.answered(try writer.peer(at: key), address: nil, rtt: 5, at: .systemClock()))
            }
            try await writer.flush()
            let before = try reader.cacheMisses()
            let glance = try watch.look()
            #expect(glance.answers == 10 && glance.peers == keys.count)
            // Ten leaves and the way to them; the table has some two thousand.
            #expect(try reader.cacheMisses() - before < 100)
        }
    }

    @Test("more changes than one look reads are said to be incomplete")
    func incomplete() async throws {
        var random = SeededGenerator(seed: 1)
        try await watching { writer, _, watch in
            try await writer.fill((0..<150_000).map { _ in Key.random(using: &random) })
            let glance = try watch.look()
            #expect(!glance.isComplete && glance.pages > LogTail.maximumPages && glance.peers == 150_000)
            // On a slow machine the timed sync, half a minute later, has committed too.
            #expect(glance.commits >= 1)
            #expect(try watch.look().isComplete)
        }
    }

    @Test("finds the log where SQLite keeps it, beside the file that a symbolic link leads to")
    func link() async throws {
        let scratch = Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path("links"), withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path("links/a.db"), withDestinationPath: scratch.path())
        try await scratch.withStore { writer in
            let reader = try await Store.open(scratch.path("links/a.db"), mode: .readOnly)
            var watch = reader.watch()
            let now = Instant.systemClock()
            try writer.record(.answered(writer.peer(at: Key(1, 0, 0, 0)), address: nil, rtt: 1_000, at: now))
            try await writer.flush()
            let glance = try watch.look()
            #expect(glance.answers == 1 && glance.commits > 0 && glance.logBytes > 0)
            #expect(try await reader.statistics().logBytes == glance.logBytes)
            try await reader.close()
        }
    }

    @Test("rubbish in place of a log or a page is no trap", arguments: Seeds.first(2))
    func rubbish(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let scratch = Scratch()
        let path = scratch.path("some-wal")
        try await scratch.withStore { store in
            for number in 0..<50 {
                let peer = try store.peer(at: Key.random(using: &random))
                try store.record(.answered(peer, address: .test(number), rtt: 5, at: .systemClock()))
                try store.record(.failed(peer, address: .test(number), .timeout, at: .systemClock()))
            }
            try await store.flush()
            var tail = LogTail(path: path)
            let log = try Data(contentsOf: URL(fileURLWithPath: store.path + "-wal"))
            try log.write(to: URL(fileURLWithPath: path))
            let whole = tail.read()
            #expect(whole.commits > 0)
            let tables = whole.contents.map { PageKeys($0, keyWidth: 32).table }
            #expect(tables.contains(.peer) && tables.contains(.failure) && tables.contains(nil))
            for _ in 0..<300 {
                var damaged = log
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    damaged[Int.random(in: 0..<damaged.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                damaged = damaged.prefix(Int.random(in: 0...damaged.count, using: &random))
                try damaged.write(to: URL(fileURLWithPath: path))
                var tail = LogTail(path: path)
                _ = tail.read()
                for var page in whole.contents {
                    for _ in 0..<8 {
                        page[Int.random(in: 0..<page.count, using: &random)] = .random(in: 0...255, using: &random)
                    }
                    for range in PageKeys(page, keyWidth: 32).ranges { #expect(range.lowerBound <= range.upperBound) }
                }
            }
            for size in [0, 1, 511, 512, 4_096, 65_536] {
                for type in [UInt8(2), 10] {
                    var page = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                    if size > 0 { page[0] = type }
                    _ = PageKeys(page, keyWidth: 32).ranges
                }
            }
        }
    }
}
