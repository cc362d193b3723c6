import KadStore
import Kademlia
import Multiformats
import Testing

@Suite("kadstore peers")
struct PeersTests {
    @Test("lists peers in key order, one on a line")
    func list() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 40)
        let result = try Command.run("peers", "--db", path)
        #expect(result.status == 0)
        #expect(result.lines.count == 41)
        #expect(result.lines[0].contains("STANDING"))
        let sorted = peers.sorted { $0.key < $1.key }
        for (line, peer) in zip(result.lines.dropFirst(), sorted) {
            #expect(line.hasPrefix(peer.key.hex(byteCount: 5)))
            #expect(line.contains(Samples.text(peer.id)))
        }
        #expect(result.messages == "40 peers\n")
    }

    @Test("prints JSON of a stable shape, with units in the names")
    func json() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 8)
        let document = try Command.run("peers", "--db", path, "--json").json()
        #expect(document["version"] as? Int == 1)
        #expect(document["isComplete"] as? Bool == true)
        let peers = try #require(document["peers"] as? [[String: Any]])
        #expect(peers.count == 8)
        for peer in peers {
            #expect(
                Set(peer.keys) == [
                    "id", "key", "standing", "firstSeenMs", "lastSeenMs", "lastOkMs", "successes", "rttUs", "rttVarUs",
                    "daysSeen", "agent", "protocols", "source", "addresses", "failures", "backoff",
                ])
        }
        #expect(peers.filter { $0["standing"] as? String == "failing" }.count == 2)
        #expect(peers.filter { $0["rttUs"] as? Int == 35_000 }.count == 2)
        let empty = try Command.run("peers", "--db", path, "--json", "--agent", "nobody").json()
        #expect((empty["peers"] as? [Any])?.isEmpty == true)
    }

    @Test("stops at the limit and says that there are more")
    func limit() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 12)
        let result = try Command.run("peers", "--db", path, "--limit", "5")
        #expect(result.lines.count == 6)
        #expect(result.messages.contains("there are more"))
        #expect(try Command.run("peers", "--db", path, "--limit", "5", "--json").json()["isComplete"] as? Bool == false)
        let exact = try Command.run("peers", "--db", path, "--limit", "12")
        #expect(exact.messages == "12 peers\n")
    }

    @Test("selects by standing, time and bucket")
    func selects() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 80)
        func count(_ options: String...) throws -> Int {
            let result = try Command.run(["peers", "--db", path, "--json"] + options)
            #expect(result.status == 0, "\(options): \(result.messages)")
            return try #require(try result.json()["peers"] as? [Any]).count
        }
        for standing in ["answered": 40, "unverified": 20, "failing": 20] {
            #expect(try count("--standing", standing.key) == standing.value)
        }
        #expect(try count("--since", "3h") == 20)
        #expect(try count("--since", "2001-02-03") == 80)
        #expect(try count("--since", "2999-02-03T04:05:06Z") == 0)
        #expect(try count("--answered", "--since", "3h", "--agent", "kubo") == 20)
        let target = Network.libp2p.target(hashing: "x".utf8)
        for bits in 0...3 {
            let expected = peers.filter { $0.key.commonPrefixLength(with: target) == bits }.count
            #expect(try count("--near", "x", "--bucket", "\(bits)") == expected)
        }
        let identity = try await Samples.addIdentity(path, peers)
        let expected = peers.filter { $0.key.commonPrefixLength(with: identity.peer.key) == 1 }.count
        #expect(try count("--bucket", "1") == expected)
    }

    @Test("--bucket without anything to count from is a mistake of usage")
    func bucketOfNothing() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4)
        let result = try Command.run("peers", "--db", path, "--bucket", "1")
        #expect(result.status == 64)
        #expect(result.messages.contains("--near"))
    }

    @Test("shows one peer with all its history, by its id, an address, its key or the beginning of either")
    func one() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 40)
        let peer = peers[3]
        let id = Samples.text(peer.id)
        let names = [
            id, "/ip4/10.0.0.3/tcp/4001/p2p/" + id, peer.key.hex(), "0x" + peer.key.hex(byteCount: 6),
            peer.key.hex(byteCount: 5), String(id.prefix(20)), "\(id.prefix(14))…\(id.suffix(6))",
            "\(id.prefix(14))...\(id.suffix(6))",
        ]
        for name in names {
            let result = try Command.run("peers", name, "--db", path)
            #expect(result.status == 0, "\(name): \(result.messages)")
            for expected in [id, peer.key.hex(), "failing", "timeout", "/ip4/10.0.0.3/tcp/4001", "sample", "breaker"] {
                #expect(result.output.contains(expected), "\(expected)")
            }
        }
        let document = try Command.run("peers", id, "--db", path, "--json").json()
        let shown = try #require(document["peer"] as? [String: Any])
        let backoff = try #require(shown["backoff"] as? [String: Any])
        #expect(backoff["breaker"] as? String == "open")
        #expect(backoff["outcomes"] as? String == "-+-")
        let failures = try #require(shown["failures"] as? [[String: Any]])
        #expect(failures.first?["class"] as? String == "timeout")
    }

    @Test("suggests what was meant when a peer is unknown")
    func suggestions() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 40)
        let id = Samples.text(peers[5].id)
        var mistyped = Array(id)
        mistyped[30] = mistyped[30] == "a" ? "b" : "a"
        let result = try Command.run("peers", String(mistyped), "--db", path)
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.messages.contains("Did you mean\n  \(id)"))
        let ambiguous = try Command.run("peers", "12D3KooW", "--db", path)
        #expect(ambiguous.status == 1)
        #expect(ambiguous.messages.contains("more than one"))
        #expect(try Command.run("peers", "nobody", "--db", path).status == 1)
    }

    @Test("a store whose ids are its keys does not show them twice")
    func identityNetwork() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let store = try await Store.open(path, mode: .create(.mainline, .private))
        let key = try #require(Key(hex: "00112233445566778899aabbccddeeff00112233"))
        let id = try #require(PeerID(key.bytes(count: 20)))
        try store.record(
            .heard(store.peer(id), addresses: [Samples.address(1)], source: nil, at: Instant.systemClock()))
        try await store.close()
        let list = try Command.run("peers", "--db", path)
        #expect(list.lines.last?.hasPrefix("00112233445566778899aabbccddeeff00112233") == true)
        #expect(!list.output.contains("KEY"))
        #expect(try Command.run("peers", "00112", "--db", path).status == 0)
        #expect(try Command.run("nearest", "00112233445566778899aabbccddeeff00112233", "--db", path).status == 0)
    }
}
