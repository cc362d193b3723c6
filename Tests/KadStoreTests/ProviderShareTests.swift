import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Whose providers of a key stay")
struct ProviderShareTests {
    /// One at a time, from the network that has most: of those with as many, the one whose oldest is oldest.
    private func naive(_ groups: [NetworkGroup?], _ limit: Int) -> Set<Int> {
        var left = Set(groups.indices)
        while left.count > limit {
            let sizes = Dictionary(grouping: left) { groups[$0] }
            let most = sizes.values.map(\.count).max() ?? 0
            guard let goes = sizes.values.filter({ $0.count == most }).compactMap({ $0.max() }).max() else { break }
            left.remove(goes)
        }
        return Set(groups.indices).subtracting(left)
    }

    @Test("is what taking one at a time from the largest network leaves", arguments: Seeds.first(5))
    func exact(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<200 {
            let networks = UInt32.random(in: 1...8, using: &generator)
            let groups = (0..<Int.random(in: 0...60, using: &generator)).map { _ -> NetworkGroup? in
                // The first network has most.
                let drawn = UInt32.random(in: 0..<(2 * networks), using: &generator)
                return drawn == 0 ? nil : .ipv4(drawn < networks ? drawn : 0)
            }
            let limit = Int.random(in: 0...40, using: &generator)
            let gone = ProviderShares.surplus(groups, limit: limit)
            #expect(Set(gone) == naive(groups, limit), "seed \(seed), round \(round)")
            #expect(gone == gone.sorted())
        }
    }

    @Test("as many ids as are kept, at one address, displace nobody who is elsewhere; queued, written and opened again")
    func flood() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.holdingLimits.providersPerKey = 32
        let key = Array("key".utf8)
        func provider(_ store: Store, _ number: UInt64, _ address: String, at: Int64) throws -> StoredProvider {
            StoredProvider(
                key: key, peer: try store.peer(at: Key(number, 0, 0, 0)), addresses: [try Multiaddr(address)],
                isPlaced: true, receivedAt: .seconds(at), expiresAt: .seconds(1_000))
        }
        func expectHonest(_ store: Store, _ state: Comment) throws {
            let kept = try store.providers(of: key, at: .seconds(500))
            #expect(kept.count == 32, state)
            #expect(kept.count { $0.peer.key.word0 <= 10 } == 10, state)
            #expect(kept.allSatisfy { $0.isPlaced && $0.addresses.count == 1 }, state)
        }
        try await scratch.withStore(options: options) { store in
            for number in 1...10 as ClosedRange<UInt64> {
                try store.record(
                    .providerStored(provider(store, number, "/ip4/198.18.\(number).1/tcp/4001", at: Int64(number))))
            }
            try await store.flush()
            // Later than all of them, 300 ids in one /24, and their addresses are proven.
            for number in 0..<300 as Range<UInt64> {
                try store.record(
                    .providerStored(
                        provider(
                            store, 100 + number, "/ip4/203.0.113.\(number % 250)/tcp/4001", at: 100 + Int64(number)))
                )
                if number == 200 { try expectHonest(store, "queued") }
                if number % 90 == 89 { try await store.flush() }
            }
            try await store.flush()
            try expectHonest(store, "written")
        }
        let again = try await Store.open(scratch.path(), options: options)
        try expectHonest(again, "opened again")
        #expect(try await again.check(full: true).problems == [])
        try await again.close()
    }
}
