import Kademlia
import Testing

@testable import KadStore

@Suite("kadstore stats")
struct StatsTests {
    @Test("counts peers by standing, for people and as JSON")
    func counts() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 1_200)
        _ = try await Samples.addIdentity(path, peers)
        let result = try Command.run("stats", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.contains("1\u{2009}200"))
        #expect(result.output.contains("kubo/0.30.0"))
        #expect(result.output.contains("timeout"))
        let document = try Command.run("stats", "--db", path, "--json").json()
        #expect(document["peers"] as? Int == 1_200)
        #expect(document["answered"] as? Int == 600)
        #expect(document["unverified"] as? Int == 300)
        #expect(document["failing"] as? Int == 300)
        #expect(document["backedOff"] as? Int == 300)
        #expect(document["identities"] as? Int == 1)
        #expect(try #require(document["fileBytes"] as? Int) > 100_000)
        let rtt = try #require(document["rttUs"] as? [String: Any])
        #expect(rtt["count"] as? Int == 600)
    }

    @Test("draws counts that cannot be without a trap", arguments: [Int64.min, -1, .max])
    func absurdCounts(_ count: Int64) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 40)
        try Connection(path: path, access: .readWrite).execute(
            """
            PRAGMA ignore_check_constraints = 1;
            INSERT OR REPLACE INTO failure (key, address, class, count, first_at, last_at)
            SELECT key, x'', 9, \(count), 0, 0 FROM peer LIMIT 2
            """)
        let result = try Command.run("stats", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.contains("busy"))
    }

    @Test("shows the lookups that nodes made, for people and as JSON")
    func lookups() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4)
        let store = try await Store.open(path)
        for number in 0..<100 {
            try store.record(
                .lookedUp(
                    LookupSummary(
                        finishedAt: Instant(milliseconds: Int64(number)),
                        reason: number < 99 ? .complete : .timeLimit, milliseconds: Int64(number) * 100,
                        queries: 30, answers: 28, failures: 2, timeouts: 1, skipped: 3, hops: 4)))
        }
        try store.record(.online(from: Instant(milliseconds: 0), to: Instant(milliseconds: 7_200_000)))
        try await store.close()
        let text = try Command.run("stats", "--db", path).output
        #expect(text.contains("100 (99 complete, 1 time-limit)"))
        #expect(text.contains("4.90 s median, 90 % below 8.90 s, 99 % below 9.80 s (last 100)"))
        #expect(text.contains("2 h in all"))
        let document = try Command.run("stats", "--db", path, "--json").json()
        #expect(document["onlineMs"] as? Int == 7_200_000)
        #expect(document["heldFailures"] as? Int == 0)
        let lookups = try #require(document["lookups"] as? [String: Any])
        #expect(lookups["count"] as? Int == 100 && lookups["queries"] as? Int == 3_000)
        #expect(lookups["timeouts"] as? Int == 100 && lookups["skipped"] as? Int == 300)
        let recent = try #require(lookups["recent"] as? [String: Any])
        #expect(recent["durationMs"] as? [String: Int] == ["p50": 4_900, "p90": 8_900, "p99": 9_800])
    }

    @Test("shows what is kept for the network, and how far a crawl is; prune --expired drops what is over")
    func values() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 4)
        let store = try await Store.open(path)
        try await Samples.addValues(store, peers[0])
        let past = Instant(milliseconds: 1_000)
        for number in 0..<3 {
            try store.record(
                .valueStored(StoredValue(key: [UInt8(number)], value: [1], receivedAt: past, expiresAt: past)))
        }
        let crawl = try await store.beginCrawl(at: past).crawl.number
        for peer in peers { try store.record(.visited(peer.key, .failed(.timeout), at: past, crawl: crawl)) }
        try await store.close()
        let text = try Command.run("stats", "--db", path).output
        #expect(text.contains("5, 30 B; 1 published here"), "\(text)")
        #expect(text.contains("4 peers visited, 0 answered; not ended"), "\(text)")
        let document = try Command.run("stats", "--db", path, "--json").json()
        #expect(document["values"] as? [String: Int] == ["count": 5, "bytes": 30, "own": 1])
        #expect((document["providers"] as? [String: Int])?["count"] == 1)
        #expect(document["crawls"] as? Int == 2)
        let latest = try #require(document["latestCrawl"] as? [String: Any])
        #expect(latest["state"] as? String == "running" && latest["failed"] as? Int == 4)
        let prune = ["prune", "--expired", "--db", path, "--json"]
        #expect(try Command.run(prune + ["--dry-run", "--read-only"]).json()["valuesPruned"] as? Int == 3)
        #expect(try Command.run(prune).json()["valuesPruned"] as? Int == 3)
        #expect(try Command.run(prune).json()["valuesPruned"] as? Int == 0)
        #expect(try Command.run("prune", "--expired", "--db", path).messages.contains("0 values, 0 providers"))
        #expect(try Command.run("check", "--full", "--db", path).status == 0)
    }

    @Test("an empty store is counted too")
    func empty() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        #expect(try Command.run("init", "--db", path).status == 0)
        #expect(try Command.run("stats", "--db", path).status == 0)
        #expect(try Command.run("stats", "--db", path, "--json").json()["peers"] as? Int == 0)
    }
}
