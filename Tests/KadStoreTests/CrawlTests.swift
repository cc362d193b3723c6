import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("A crawl")
struct CrawlTests {
    /// Nothing is committed by itself.
    private static var quiet: StoreOptions {
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds) = (100_000, 3_600_000)
        return options
    }

    private static func unvisited(_ store: Store, limit: Int) throws -> [Key] {
        var found: [Key] = []
        var last: Key?
        repeat {
            let page = try store.unvisited(after: last, limit: limit)
            found += page.peers.map(\.key)
            last = page.next
        } while last != nil
        return found
    }

    @Test("goes on where it was when its process was killed, and knows whom it lacks")
    func resumes() async throws {
        let scratch = Scratch()
        let copy = Scratch()
        let keys = (1...40).map { Key($0, 0, 0, 0) }
        try await scratch.withStore(options: Self.quiet) { store in
            for key in keys { try store.hear(key) }
            #expect(try store.runningCrawl() == nil)
            #expect(try Self.unvisited(store, limit: 7) == keys)
            let begun = try await store.beginCrawl(at: .seconds(1))
            #expect(!begun.isResumed && begun.crawl.startedAt == .seconds(1))
            let number = begun.crawl.number
            for key in keys.prefix(10) { try store.record(.visited(key, .answered, at: .seconds(2), crawl: number)) }
            try store.record(.visited(keys[10], .failed(.refused), at: .seconds(2), crawl: number))
            try store.record(.visited(keys[11], .leftOut, at: .seconds(2), crawl: number))
            try store.record(.visited(Key(999, 0, 0, 0), .failed(.timeout), at: .seconds(2), crawl: number))
            // Asked again, it answered.
            try store.record(.visited(keys[10], .answered, at: .seconds(3), crawl: number))
            for state in ["queued", "written"] {
                #expect(try Self.unvisited(store, limit: 7) == Array(keys.dropFirst(12)), "\(state)")
                let crawl = try #require(try store.runningCrawl())
                #expect(crawl.peers == [.answered: 11, .leftOut: 1, .failed(.timeout): 1], "\(state)")
                #expect(crawl.visited == 13 && crawl.answered == 11 && crawl.failed == 1, "\(state)")
                #expect(try store.visit(of: keys[10]) == .answered && store.visit(of: keys[30]) == nil, "\(state)")
                try await store.commit()
            }
            // Not committed when the process is killed: visited once more.
            try store.record(.visited(keys[20], .answered, at: .seconds(4), crawl: number))
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: scratch.path() + suffix, toPath: copy.path() + suffix)
            }
        }
        let store = try await Store.open(copy.path())
        let resumed = try await store.beginCrawl(at: .seconds(9))
        #expect(resumed.isResumed && resumed.crawl.startedAt == .seconds(1) && resumed.crawl.visited == 13)
        #expect(try Self.unvisited(store, limit: 7) == Array(keys.dropFirst(12)))
        #expect(try await store.check(full: true).problems == [])
        for key in keys { try store.record(.visited(key, .answered, at: .seconds(9), crawl: resumed.crawl.number)) }
        #expect(try Self.unvisited(store, limit: 7) == [])
        let ended = try #require(
            try await store.endCrawl(resumed.crawl.number, isComplete: true, at: .seconds(10)))
        #expect(ended.state == .complete && ended.endedAt == .seconds(10) && ended.answered == 40 && ended.failed == 1)
        #expect(try store.runningCrawl() == nil && store.crawls() == [ended])
        #expect(try Self.unvisited(store, limit: 7) == keys)
        // Words that come late change nothing.
        try store.record(.visited(keys[0], .leftOut, at: .seconds(11), crawl: ended.number))
        #expect(try store.visit(of: keys[0]) == nil)
        try await store.flush()
        #expect(try store.crawls() == [ended])
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }

    @Test("begun anew ends the one before as stopped; a file keeps the latest 256")
    func anew() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.hear(Key(1, 0, 0, 0))
            let first = try await store.beginCrawl(at: .seconds(1)).crawl
            try store.record(.visited(Key(1, 0, 0, 0), .answered, at: .seconds(1), crawl: first.number))
            let second = try await store.beginCrawl(anew: true, at: .seconds(2))
            #expect(!second.isResumed && second.crawl.number != first.number)
            #expect(try store.crawls().map(\.state) == [.running, .stopped])
            #expect(try store.crawls().map(\.answered) == [0, 1])
            #expect(try store.unvisited().peers.count == 1)
            // One that has ended stays as it ended.
            #expect(try await store.endCrawl(first.number, isComplete: true, at: .seconds(3))?.state == .stopped)
            #expect(try await store.endCrawl(12_345, isComplete: true, at: .seconds(3)) == nil)
            #expect(try store.runningCrawl()?.number == second.crawl.number)
            for number in 0..<260 { _ = try await store.beginCrawl(anew: true, at: .seconds(Int64(number))) }
            #expect(try store.crawls().count == Crawl.maximumCount)
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("pages in key order see what comes behind the place they reached, each peer once, and a later walk the rest")
    func insertsWhilePaging() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for number in 1...100 { try store.hear(Key(UInt64(number) * 10, 0, 0, 0)) }
            try await store.flush()
            let crawl = try await store.beginCrawl(at: .seconds(1)).crawl
            var seen: [UInt64] = []
            var last: Key?
            var late: [UInt64] = []
            repeat {
                let page = try store.unvisited(after: last, limit: 16)
                seen += page.peers.map(\.key.word0)
                for peer in page.peers {
                    try store.record(.visited(peer.key, .answered, at: .seconds(2), crawl: crawl.number))
                }
                last = page.next
                guard let reached = last?.word0 else { continue }
                // Before the place that was reached, and behind it; written or queued.
                for key in [reached - 5, reached + 5] { try store.hear(Key(key, 0, 0, 0)) }
                late.append(reached - 5)
                if reached % 20 == 0 { try await store.flush() }
            } while last != nil
            #expect(seen == seen.sorted() && Set(seen).count == seen.count)
            #expect(Set(seen).isSuperset(of: (1...100).map { $0 * 10 }))
            #expect(Set(seen).isSuperset(of: late.map { $0 + 10 }) && Set(seen).isDisjoint(with: late))
            #expect(late.count > 4)
            #expect(try Self.unvisited(store, limit: 16).map(\.word0) == late.sorted())
        }
    }

    @Test("visits and peers that come in any order leave what two sets leave", arguments: Seeds.first(5))
    func model(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let scratch = Scratch()
        try await scratch.withStore(options: Self.quiet) { store in
            let number = try await store.beginCrawl(at: .seconds(0)).crawl.number
            var peers: Set<Key> = []
            var visits: [Key: VisitOutcome] = [:]
            let outcomes: [VisitOutcome] = [.answered, .leftOut, .failed(.timeout), .failed(.refused)]
            for step in 0..<400 {
                let key = Key(UInt64.random(in: 1...60, using: &generator), 0, 0, 0)
                switch Int.random(in: 0...9, using: &generator) {
                case 0: try await store.commit()
                case 1:
                    try store.record(.forgotten(try store.peer(at: key), leaving: nil))
                    peers.remove(key)
                case 2...5:
                    try store.hear(key)
                    peers.insert(key)
                default:
                    let outcome = outcomes[Int.random(in: 0..<outcomes.count, using: &generator)]
                    try store.record(.visited(key, outcome, at: .seconds(Int64(step)), crawl: number))
                    visits[key] = outcome
                }
                let left = peers.subtracting(visits.keys).sorted()
                #expect(try Self.unvisited(store, limit: 1 + step % 9) == left, "seed \(seed), step \(step)")
                let sums = Dictionary(visits.values.map { ($0, 1) }, uniquingKeysWith: +)
                #expect(try store.runningCrawl()?.peers == sums, "seed \(seed), step \(step)")
            }
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("is one for all processes on a file, and its pages carry addresses")
    func twoProcesses() async throws {
        let scratch = Scratch()
        try await scratch.withStore { first in
            let second = try await Store.open(scratch.path())
            for number in 1...30 { try first.hear(Key(UInt64(number), 0, 0, UInt64(number))) }
            try await first.flush()
            async let one = first.beginCrawl(at: .seconds(1))
            async let two = second.beginCrawl(at: .seconds(1))
            let crawls = try await [one, two]
            #expect(crawls[0].crawl.number == crawls[1].crawl.number)
            #expect(crawls.count { $0.isResumed } == 1)
            for (index, store) in [first, second].enumerated() {
                for peer in try store.unvisited().peers where peer.key.word0 % 2 == UInt64(index) {
                    #expect(Array(peer.addresses) == [.test(Int(peer.key.word0))])
                    try store.record(
                        .visited(peer.key, .answered, at: .seconds(2), crawl: crawls[0].crawl.number))
                }
                try await store.flush()
            }
            #expect(try first.runningCrawl()?.answered == 30 && second.unvisited().peers.isEmpty)
            try await second.close()
        }
    }

    @Test("a page costs the pages of its own rows, however many were visited")
    func pages() async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: 1)
        let keys = (0..<20_000).map { _ in Key.random(using: &generator) }.sorted()
        try await scratch.withStore { store in
            try await store.fill(keys)
            let number = try await store.beginCrawl(at: .seconds(1)).crawl.number
            for (index, key) in keys.prefix(19_990).enumerated() {
                try store.record(.visited(key, .answered, at: .seconds(1), crawl: number))
                if index % 8_000 == 0 { try await store.flush() }
            }
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        let before = try store.cacheMisses()
        let page = try store.unvisited(after: keys[10_000], limit: 64)
        #expect(page.peers.isEmpty && page.next == keys[10_064])
        #expect(try store.cacheMisses() - before <= 12)
        #expect(try store.unvisited(after: keys[19_980], limit: 64).peers.map(\.key) == Array(keys.suffix(10)))
        try await store.close()
    }

    @Test("raises the cap on peers, for every process on the file and for good; an import does so by itself")
    func cap() async throws {
        let scratch = Scratch()
        try await scratch.withStore { first in
            let second = try await Store.open(scratch.path())
            #expect(try await first.raisePeerCap(to: 100_000) == 100_000)
            #expect(try await first.raisePeerCap(to: 5) == 100_000)
            #expect(first.peerCap == 100_000 && second.peerCap == Store.defaultPeerCap)
            try second.hear(Key(1, 0, 0, 0))
            try await second.flush()
            #expect(second.peerCap == 100_000)
            try await second.close()
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE network SET peer_cap = 3, seal = NULL")
        }
        let store = try await Store.open(scratch.path())
        #expect(store.peerCap == 3)
        let loader = try store.bulkLoader(BulkOptions(now: .seconds(10)))
        for number in 1...9 {
            let peer = try store.peer(at: Key(UInt64(number), 0, 0, 0))
            try loader.add(ImportedPeer(id: peer.id, addresses: [ImportedPeer.Address(.test(number))]))
        }
        _ = try await loader.finish()
        #expect(store.peerCap == 9)
        try await store.close()
    }
}
