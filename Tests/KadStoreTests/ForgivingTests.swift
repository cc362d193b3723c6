import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Forgiving")
struct ForgivingTests {
    /// A peer that did well once and badly since.
    private func sin(_ store: Store, _ key: Key) throws {
        try store.hear(key)
        let peer = try store.peer(at: key)
        let address = Multiaddr.test(Int(key.word3 & 0xffff))
        try store.record(.answered(peer, address: address, rtt: 20_000, at: .seconds(1)))
        try store.record(.heard(peer, addresses: [.test(9_999)], source: "gossip", at: .seconds(2)))
        try store.record(.failed(peer, address: address, .timeout, at: .seconds(3)))
        try store.record(.failed(peer, address: .test(9_999), .refused, at: .seconds(4)))
        try store.record(
            .backoff(
                peer,
                BackoffState(
                    streakMilli: 5_000, streakAt: .seconds(4), lastClass: .refused, notBefore: .seconds(9_000),
                    waitMilliseconds: 9_000_000, outcomes: 31, outcomeCount: 6, breaker: .open, openings: 2,
                    openedAt: .seconds(4))))
        try store.record(.held(.test(key, at: .seconds(5))))
    }

    private func stone(_ key: Key) -> Tombstone { Tombstone(key: key, droppedAt: .seconds(0), streakMilli: 4_000) }

    @Test("a peer clears what speaks against it, and keeps what it did well")
    func one() async throws {
        let scratch = Scratch()
        let (sinner, other, dropped) = (Key(1, 0, 0, 1), Key(2, 0, 0, 2), Key(3, 0, 0, 3))
        try await scratch.withStore { store in
            for key in [sinner, other] { try sin(store, key) }
            try store.record(.forgotten(try store.peer(at: dropped), leaving: stone(dropped)))
            let before = try #require(try store.record(of: sinner))
            #expect(try await store.forgive(sinner) == 1)

            var expected = before
            expected.backoff = nil
            expected.failures = []
            for index in expected.addresses.indices { expected.addresses[index].failures = 0 }
            let after = try #require(try store.record(of: sinner))
            #expect(after == expected)
            #expect(after.successes == 1 && after.rtt == before.rtt && after.lastOK == .seconds(1))
            #expect(try store.heldFailures().map(\.key) == [other])
            #expect(try store.record(of: other)?.backoff?.breaker == .open)

            #expect(try await store.forgive(dropped) == 1)
            #expect(try store.tombstones().tombstones == [])
            #expect(try await store.forgive(sinner) == 0)
            #expect(try await store.forgive(Key(77, 0, 0, 0)) == 0)
        }
        let again = try await Store.open(scratch.path())
        #expect(try again.record(of: sinner)?.failures == [])
        #expect(try await again.check(full: true).problems == [])
        try await again.close()
        let reader = try await Store.open(scratch.path(), mode: .readOnly)
        await #expect(throws: StoreError.readOnly(path: scratch.path())) { try await reader.forgive(sinner) }
        try await reader.close()
    }

    @Test("all goes through every page, and leaves damaged rows alone")
    func all() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for number in 1...UInt64(2_500) {
                let key = Key(number, 0, 0, number)
                if number % 3 == 0 { try sin(store, key) } else { try store.hear(key) }
                if number % 500 == 0 { try await store.flush() }
            }
            for number in 1...UInt64(1_030) {
                let key = Key(.max, 0, 0, number)
                try store.record(.forgotten(try store.peer(at: key), leaving: stone(key)))
            }
            // Held, and otherwise clean.
            try store.record(.held(.test(Key(1, 0, 0, 1))))
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE failure SET class = 99 WHERE key = (SELECT min(key) FROM failure)")
        }
        let store = try await Store.open(scratch.path())
        #expect(try await store.forgiveAll() == 832 + 1 + 1_030)
        #expect(try store.tombstones().tombstones.isEmpty)
        let page = try store.peers(limit: 4_096)
        #expect(page.damaged == [Key(3, 0, 0, 3)])
        #expect(page.peers.allSatisfy { $0.backoff == nil && $0.failures.isEmpty })
        #expect(page.peers.allSatisfy { $0.addresses.allSatisfy { $0.failures == 0 } })
        #expect(page.peers.count { $0.successes == 1 } == 832)
        #expect(try store.heldFailures().map(\.key) == [Key(3, 0, 0, 3)])
        #expect(try await store.forgiveAll() == 0)
        try await store.close()
    }

    @Test("is noticed by a node on the same file, from another process and from its own")
    func notice() async throws {
        let scratch = Scratch()
        let key = Key(1, 0, 0, 1)
        try await scratch.withStore { node in
            func settled() async throws -> Int64 {
                _ = node.foreignCommits()
                _ = try await node.writer?.perform { _ in }
                return node.foreignCommits()
            }
            try sin(node, key)
            try await node.flush()
            let before = try await settled()
            try node.hear(Key(2, 0, 0, 0))
            try await node.flush()
            #expect(try await settled() == before, "its own commits are no news")

            let other = try await Store.open(scratch.path())
            try await other.forgive(key)
            try await other.close()
            let after = try await settled()
            #expect(after > before)
            #expect(try node.record(of: key)?.backoff == nil)
            #expect(try await settled() == after, "nothing happened since")

            try sin(node, key)
            try await node.forgive(key)
            #expect(try await settled() > after)
        }
    }
}
