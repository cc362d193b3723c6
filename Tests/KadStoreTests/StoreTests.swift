import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("A store")
struct StoreTests {
    @Test("remembers a peer across closing and opening")
    func remembers() async throws {
        let scratch = Scratch()
        let path = scratch.path()
        let key = Key(1, 2, 3, 4)
        do {
            let store = try await Store.open(path, mode: .create(.plain, .private))
            try store.hear(key)
            let peer = try store.peer(at: key)
            try store.record(.answered(peer, address: .test(4), rtt: 20_000, at: .seconds(1)))
            try store.record(.failed(peer, address: .test(4), .timeout, at: .seconds(2)))
            let before = try store.record(of: key)
            try await store.close()
            let again = try await Store.open(path)
            let after = try again.record(of: key)
            #expect(before == after)
            #expect(after?.lastOK == .seconds(1))
            #expect(after?.failures.count == 1)
            try await again.close()
        }
    }
}
