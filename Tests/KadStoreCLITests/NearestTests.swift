import KadStore
import Kademlia
import Multiformats
import Testing

@Suite("kadstore nearest")
struct NearestTests {
    @Test("prints the nearest peers in the exact order, whatever names the target")
    func exactOrder() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 500)
        let targets: [(argument: String, kind: String, key: Key)] = [
            (Samples.text(peers[7].id), "peer-id", peers[7].key),
            ("/ip4/10.0.0.1/tcp/4001/p2p/" + Samples.text(peers[8].id), "peer-id", peers[8].key),
            (peers[9].key.hex(), "key", peers[9].key),
            ("0x3fa9", "key", try #require(Key(hex: "3fa9"))),
            ("hello world", "text", Network.libp2p.target(hashing: "hello world".utf8)),
        ]
        for (argument, kind, key) in targets {
            let result = try Command.run("nearest", argument, "--db", path, "--json", "--count", "12")
            #expect(result.status == 0)
            #expect(result.messages.contains("target: "))
            let document = try result.json()
            #expect(document["version"] as? Int == 1)
            #expect(document["isExact"] as? Bool == true)
            let target = try #require(document["target"] as? [String: Any])
            #expect(target["kind"] as? String == kind)
            #expect(target["key"] as? String == key.hex())
            let found = try #require(document["peers"] as? [[String: Any]]).map { $0["id"] as? String }
            let expected = peers.sorted { $0.key.distance(to: key) < $1.key.distance(to: key) }.prefix(12)
            #expect(found == expected.map { Samples.text($0.id) })
        }
    }

    @Test("says what the answer cost, and keeps it off standard output")
    func cost() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 300)
        let result = try Command.run("nearest", "x", "--db", path)
        #expect(result.status == 0)
        #expect(result.lines.count == 21)
        #expect(result.messages.contains("20 peers, exact; read"))
        #expect(result.messages.contains("seeks"))
        let document = try Command.run("nearest", "x", "--db", path, "--json").json()
        let rows = try #require(document["rowsRead"] as? Int)
        #expect(rows >= 20 && rows <= 300)
        #expect(try #require(document["seeks"] as? Int) >= 1)
    }

    @Test("goes on over pages when more are wanted than one holds")
    func pages() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 5_000)
        let result = try Command.run("nearest", "x", "--db", path, "--json", "--count", "4500")
        let found = try #require(try result.json()["peers"] as? [[String: Any]]).compactMap { $0["key"] as? String }
        let target = Network.libp2p.target(hashing: "x".utf8)
        let expected = peers.map(\.key).sorted { $0.distance(to: target) < $1.distance(to: target) }.prefix(4_500)
        #expect(found == expected.map { $0.hex() })
    }

    @Test("counts only the peers that a filter admits")
    func filters() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 400)
        func ids(_ options: String...) throws -> Set<String> {
            let result = try Command.run(["nearest", "x", "--db", path, "--json", "--count", "400"] + options)
            #expect(result.status == 0, "\(options): \(result.messages)")
            return Set(try #require(try result.json()["peers"] as? [[String: Any]]).compactMap { $0["id"] as? String })
        }
        func expected(_ remainders: Set<Int>) -> Set<String> {
            Set(peers.indices.filter { remainders.contains($0 % 4) }.map { Samples.text(peers[$0].id) })
        }
        #expect(try ids("--answered") == expected([0, 1]))
        #expect(try ids("--answered-since", "2d") == expected([0]))
        #expect(try ids("--dialable") == expected([0, 1, 2]))
        #expect(try ids("--agent", "kubo") == expected([0]))
        #expect(try ids("--protocol", "/ipfs/kad/1.0.0") == expected([0]))
        #expect(try ids("--source", "sample") == expected([0, 1, 2, 3]))
        #expect(try ids("--source", "other").isEmpty)
        #expect(try ids("--group", "10.0.0.0/24") == Set(peers.prefix(256).map { Samples.text($0.id) }))
        #expect(try ids("--group", "10.0.1.77") == Set(peers[256...].map { Samples.text($0.id) }))
    }

    @Test("says that an answer which --max-rows ended is inexact")
    func inexact() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 400)
        let result = try Command.run(
            "nearest", "x", "--db", path, "--json", "--agent", "nobody", "--max-rows", "50")
        #expect(result.status == 0)
        #expect(try result.json()["isExact"] as? Bool == false)
        #expect(result.messages.contains("inexact"))
    }

    @Test("does not hash what looks like a mistyped peer id, unless it is told to")
    func mistyped() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 20)
        let wrong = String(Samples.text(peers[0].id).dropLast(2)) + "0O"
        let result = try Command.run("nearest", wrong, "--db", path)
        #expect(result.status == 65)
        #expect(result.output.isEmpty)
        #expect(result.messages.contains("not a peer id"))
        #expect(try Command.run("nearest", wrong, "--db", path, "--as", "text").status == 0)
        #expect(try Command.run("nearest", "xyz", "--db", path, "--as", "key").status == 65)
        #expect(try Command.run("nearest", "", "--db", path).status == 64)
    }

    @Test("finds nobody in an empty store, and says so")
    func empty() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        #expect(try Command.run("init", "--db", path).status == 0)
        let result = try Command.run("nearest", "x", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.isEmpty)
        #expect(result.messages.contains("no peers"))
    }
}
