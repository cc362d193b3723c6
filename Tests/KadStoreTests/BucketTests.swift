import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Stored k-buckets")
struct BucketTests {
    @Test("come back as they were, contact by contact, queued or written", arguments: Seeds.first(5))
    func comeBack(seed: UInt64) async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: seed)
        let local = Key.random(using: &generator)
        try await scratch.withStore { store in
            let identity = try await store.identity(try store.peer(at: local).id, label: "node")
            var table = RoutingTable(localKey: local, configuration: store.tableConfiguration)
            var known: [Key] = []
            for step in 0..<1_500 {
                let now = Instant.seconds(Int64(step))
                let directives: [RoutingTable.Directive]
                if Int.random(in: 0..<4, using: &generator) == 0, let key = known.randomElement(using: &generator) {
                    directives =
                        Bool.random(using: &generator)
                        ? table.failed(key)
                        : table.answered(key, from: .ipv4(UInt32.random(in: 0..<9, using: &generator)), at: now)
                } else {
                    let key = IndexKeys.target(near: [local], using: &generator)
                    guard key != local else { continue }
                    known.append(key)
                    try store.hear(key, at: now)
                    directives = table.heard(from: key, in: nil, at: now)
                }
                for case .changed(let bucket) in directives {
                    guard let snapshot = table.snapshot(ofBucket: bucket) else { continue }
                    try store.record(.bucket(snapshot, identity: identity.number))
                }
                if step % 500 == 250 { try await store.flush() }
            }
            #expect(try store.buckets(of: identity) == table.snapshot(), "seed \(seed), before the flush")
            try await store.flush()
            #expect(try store.buckets(of: identity) == table.snapshot(), "seed \(seed), after the flush")
            #expect(table.count > 50)

            var expected = table
            expected.markAllUnverified()
            let restored = try store.routingTable(of: identity, configuration: store.tableConfiguration)
            #expect(restored.faults.isEmpty)
            #expect(restored.table == expected, "seed \(seed)")
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("belong to their identity; contacts whose peers are gone are gone")
    func identities() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let first = try await store.identity(try store.peer(at: Key(1, 0, 0, 0)).id, label: "first")
            let second = try await store.identity(try store.peer(at: Key(2, 0, 0, 0)).id, label: "second")
            #expect(try await store.identity(first.peer.id, label: "again") == first)
            #expect(try store.identities() == [first, second])
            let key = Key(.max, 0, 0, 0)
            try store.hear(key)
            let contact = Contact.test(key)
            let ghost = Contact.test(Key(.max, 1, 0, 0))
            let bucket = BucketSnapshot(index: 0, refreshedAt: .seconds(1), live: [ghost, contact], replacements: [])
            try store.record(.bucket(bucket, identity: first.number))
            try await store.flush()
            #expect(try store.buckets(of: first).first?.live == [contact])
            #expect(try store.buckets(of: second).isEmpty)
            try store.record(.forgotten(try store.peer(at: key), leaving: nil))
            #expect(try store.buckets(of: first).first?.live == [])
            try await store.flush()
            #expect(try store.buckets(of: first).first?.live == [])
        }
    }
}
