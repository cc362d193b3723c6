import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

extension StoredValue {
    static func test(
        _ key: String, _ value: String = "value", at: Int64 = 0, for seconds: Int64 = 100, isOwn: Bool = false
    ) -> StoredValue {
        StoredValue(
            key: Array(key.utf8), value: Array(value.utf8), receivedAt: .seconds(at), expiresAt: .seconds(at + seconds),
            isOwn: isOwn)
    }
}

extension Store {
    func provider(
        _ key: String, _ peer: UInt64, at: Int64 = 0, for seconds: Int64 = 100, addresses: [Int] = [1], isOwn: Bool = false
    ) throws -> StoredProvider {
        StoredProvider(
            key: Array(key.utf8), peer: try self.peer(at: Key(peer, 0, 0, 0)), addresses: addresses.map(Multiaddr.test),
            receivedAt: .seconds(at), expiresAt: .seconds(at + seconds), isOwn: isOwn)
    }
}

/// Reads that must say the same while events are queued, when they are written, and after opening again.
private func inEveryState(
    _ scratch: Scratch = Scratch(), options: StoreOptions = StoreOptions(),
    _ record: (Store) async throws -> Void, _ expect: (Store, _ state: String) throws -> Void
) async throws {
    try await scratch.withStore(options: options) { store in
        try await record(store)
        try expect(store, "queued")
        try await store.flush()
        try expect(store, "written")
    }
    let again = try await Store.open(scratch.path(), options: options)
    try expect(again, "opened again")
    #expect(try await again.check(full: true).problems == [])
    try await again.close()
}

@Suite("Values and providers")
struct ValueTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("are there at once, written, and after a restart, until they expire")
    func values() async throws {
        let (old, new) = (StoredValue.test("/a/1", "old"), StoredValue.test("/a/1", "new", at: 5))
        try await inEveryState { store in
            try store.record(.valueStored(old))
            #expect(try store.value(old.key, at: .seconds(1)) == old)
            try store.record(.valueStored(new))
            try store.record(.valueStored(.test("/a/2")))
            try store.record(.valueForgotten(Self.bytes("/a/2")))
            try store.record(.valueStored(.test("/a/3", "", for: 10)))
        } _: { (store, state) throws in
            #expect(try store.value(new.key, at: .seconds(104)) == new, "\(state)")
            #expect(try store.value(new.key, at: .seconds(105)) == nil, "\(state)")
            #expect(try store.value(Self.bytes("/a/2"), at: .seconds(1)) == nil, "\(state)")
            #expect(try store.value(Self.bytes("/a/3"), at: .seconds(9))?.value == [], "\(state)")
            #expect(try store.ownValues().values == [], "\(state)")
        }
    }

    @Test("of our own never expire, and give way to nobody's but a withdrawal")
    func own() async throws {
        let mine = StoredValue.test("/k/mine", "ours", isOwn: true)
        let withdrawn = StoredValue.test("/k/withdrawn", isOwn: true)
        try await inEveryState { store in
            for value in [mine, withdrawn] { try store.record(.valueStored(value)) }
            let us = try store.provider("content", 7, isOwn: true)
            try store.record(.providerStored(us))
            for phase in 0..<2 {
                try store.record(.valueStored(.test("/k/mine", "theirs", at: Int64(phase + 1))))
                try store.record(.providerStored(try store.provider("content", 7, at: 50, addresses: [9])))
                if phase == 0 { try await store.flush() }
            }
            try store.record(.valueForgotten(withdrawn.key))
            try store.record(.valueStored(.test("/k/withdrawn", "theirs")))
        } _: { (store, state) throws in
            #expect(try store.value(mine.key, at: .seconds(1_000_000)) == mine, "\(state)")
            #expect(try store.ownValues().values == [mine], "\(state)")
            #expect(try store.value(withdrawn.key, at: .seconds(1))?.isOwn == false, "\(state)")
            let us = try store.provider("content", 7, isOwn: true)
            #expect(try store.providers(of: us.key, at: .seconds(1_000_000)) == [us], "\(state)")
            #expect(try store.ownProviders().providers == [us], "\(state)")
        }
    }

    @Test("of a key are told newest first, each provider once")
    func providers() async throws {
        try await inEveryState { store in
            for peer in 1...5 { try store.record(.providerStored(try store.provider("c", UInt64(peer), at: Int64(peer)))) }
            try store.record(.providerStored(try store.provider("c", 2, at: 9, addresses: [3, 4])))
            try store.record(.providerForgotten(Self.bytes("c"), peer: Key(4, 0, 0, 0)))
            try store.record(.providerStored(try store.provider("d", 1)))
        } _: { (store, state) throws in
            let found = try store.providers(of: Self.bytes("c"), at: .seconds(10))
            #expect(found.map(\.peer.key.word0) == [2, 5, 3, 1], "\(state)")
            #expect(found.first == (try store.provider("c", 2, at: 9, addresses: [3, 4])), "\(state)")
            #expect(try store.providers(of: Self.bytes("c"), limit: 2, at: .seconds(10)).count == 2, "\(state)")
            // The first of them has expired by then.
            #expect(try store.providers(of: Self.bytes("c"), at: .seconds(103)).count == 2, "\(state)")
            #expect(try store.providers(of: Self.bytes("none"), at: .seconds(10)) == [], "\(state)")
        }
    }
}
