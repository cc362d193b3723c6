import Foundation
import KadStore
import Kademlia
import Testing

@Suite("kadstore buckets")
struct BucketsTests {
    @Test("draws the k-buckets that a node kept")
    func stored() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 100)
        let identity = try await Samples.addIdentity(path, peers)
        let result = try Command.run("buckets", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.contains("Identity 1 \"main\""))
        #expect(result.output.contains(String(repeating: "█", count: 20)))
        #expect(!result.output.contains("\u{1b}"))

        let store = try await Store.open(path, mode: .readOnly)
        let snapshots = try store.buckets(of: identity)
        try await store.close()
        let document = try Command.run("buckets", "--db", path, "--identity", "main", "--json").json()
        let tables = try #require(document["tables"] as? [[String: Any]])
        let buckets = try #require(tables.first?["buckets"] as? [[String: Any]])
        #expect(tables.first?["key"] as? String == identity.peer.key.hex())
        #expect(buckets.map { $0["fresh"] as? Int } == snapshots.map(\.live.count))
        #expect(buckets.map { $0["replacements"] as? Int } == snapshots.map(\.replacements.count))
        #expect(buckets.last?["isLast"] as? Bool == true)
    }

    @Test("draws what a table around any key would hold of all peers")
    func computed() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 600)
        let key = Network.libp2p.target(hashing: "x".utf8)
        let document = try Command.run("buckets", "--db", path, "--near", "x", "--json").json()
        let table = try #require((document["tables"] as? [[String: Any]])?.first)
        #expect(table["identity"] is NSNull)
        let buckets = try #require(table["buckets"] as? [[String: Any]])
        #expect(buckets.compactMap { $0["known"] as? Int }.reduce(0, +) == 600)
        for bucket in buckets {
            let index = try #require(bucket["index"] as? Int)
            let isLast = try #require(bucket["isLast"] as? Bool)
            let inside = peers.indices.filter {
                let shared = peers[$0].key.commonPrefixLength(with: key)
                return isLast ? shared >= index : shared == index
            }
            #expect(bucket["known"] as? Int == inside.count)
            #expect(bucket["fresh"] as? Int == min(20, inside.filter { $0 % 4 == 0 }.count))
            let held = ["fresh", "answered", "unverified", "failing"].compactMap { bucket[$0] as? Int }.reduce(0, +)
            #expect(held == min(20, inside.count))
        }
        let lastIndex = try #require(buckets.last?["index"] as? Int)
        #expect(buckets.count == lastIndex + 1)
        // As deep as a table would split: the last bucket with the one before it overflows.
        #expect(peers.filter { $0.key.commonPrefixLength(with: key) >= lastIndex - 1 }.count > 20)
    }

    @Test("draws all peers when there is no identity, and names the identities when another is asked for")
    func choice() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 30)
        let around = try Command.run("buckets", "--db", path)
        #expect(around.status == 0)
        #expect(around.output.contains("Around 0000"))
        #expect(around.messages.contains("--near"))
        _ = try await Samples.addIdentity(path, peers)
        let unknown = try Command.run("buckets", "--db", path, "--identity", "other")
        #expect(unknown.status == 1)
        #expect(unknown.messages.contains("1 (main)"))
        #expect(try Command.run("buckets", "--db", path, "--identity", "1", "--near", "x").status == 64)
    }

    @Test("falls back to ASCII without a Unicode locale")
    func ascii() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 30)
        let result = try Command.run("buckets", "--db", path, environment: ["LC_ALL": "C"])
        #expect(result.output.utf8.allSatisfy { $0 < 0x80 })
        #expect(result.output.contains("#"))
    }
}
