import KadStore
import Kademlia
import Testing

@Suite("kadstore explain and forgive")
struct ExplainTests {
    @Test("say why a peer waits, from which facts and until when; forgiving clears it")
    func waits() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 8)
        _ = try await Samples.addIdentity(path, peers)
        let failing = Samples.text(peers[3].id)
        let result = try Command.run("explain", failing, "--db", path)
        #expect(result.status == 0)
        #expect(result.output.contains("It is not dialled before "))
        #expect(result.output.contains("circuit breaker is open since 2 h ago"))
        #expect(result.output.contains("It did not answer in time 1 time, the last time 2 h ago."))
        #expect(result.output.contains("2 of its last 3 counted outcomes are failures."))
        #expect(result.output.contains("live contact of bucket"))

        let document = try Command.run("explain", failing, "--db", path, "--json").json()
        #expect(document["verdict"] as? String == "waits")
        #expect(try #require(document["changesAtMs"] as? Int) > Int(Instant.systemClock().milliseconds))
        let facts = try #require(document["facts"] as? [[String: Any]])
        #expect(facts.contains { $0["fact"] as? String == "breaker-open" })
        #expect(facts.contains { $0["class"] as? String == "timeout" && $0["scope"] as? String == "connection" })
        #expect(result.output.contains("(timeout, of one connection)"))

        #expect(try Command.run("forgive", failing, "--db", path, "--json").json()["forgiven"] as? Int == 1)
        #expect(try Command.run("explain", failing, "--db", path, "--json").json()["verdict"] as? String == "dialled")
        let again = try Command.run("forgive", failing, "--db", path)
        #expect(again.status == 0 && again.messages.contains("Nothing to forgive."))
    }

    @Test("a peer that answered, one never dialled, and one that nobody knows")
    func others() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 4)
        #expect(
            try Command.run("explain", Samples.text(peers[0].id), "--db", path).output.contains("It answered 1 time"))
        #expect(try Command.run("explain", Samples.text(peers[2].id), "--db", path).output.contains("never dialled"))
        #expect(try Command.run("explain", Samples.text(Samples.id(99)), "--db", path).status == 1)
    }

    @Test("all are forgiven at once; without a name or --all nothing is")
    func all() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 400)
        #expect(try Command.run("forgive", "--db", path).status == 64)
        #expect(try Command.run("forgive", "x", "--all", "--db", path).status == 64)
        #expect(try Command.run("forgive", "--all", "--db", path, "--json").json()["forgiven"] as? Int == 100)
        let document = try Command.run("stats", "--db", path, "--json").json()
        #expect(document["backedOff"] as? Int == 0 && document["answered"] as? Int == 200)
        #expect(try Command.run("check", "--db", path).status == 0)
    }
}

@Suite("kadstore warm")
struct WarmTests {
    @Test("prints the plan of a restored table, the same for one seed, and needs --dry-run")
    func plan() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 200)
        #expect(try Command.run("warm", "--dry-run", "--db", path).status == 64)
        _ = try await Samples.addIdentity(path, peers)
        #expect(try Command.run("warm", "--db", path).status == 64)
        let result = try Command.run("warm", "--dry-run", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.contains("coverage") && result.output.contains("seed"))
        #expect(result.messages.contains("restored, usable at once"))
        #expect(try Command.run("warm", "--dry-run", "--db", path).output == result.output)

        let document = try Command.run("warm", "--dry-run", "--db", path, "--json", "--limit", "10").json()
        let probes = try #require(document["probes"] as? [[String: Any]])
        #expect(probes.count == 10)
        #expect(probes.allSatisfy { ($0["id"] as? String)?.isEmpty == false && $0["reason"] is String })
        // Those that wait for a backoff to end are not asked.
        let failing = Set(peers.indices.filter { $0 % 4 == 3 }.map { Samples.text(peers[$0].id) })
        let all = try Command.run("warm", "--dry-run", "--db", path, "--json").json()
        for probe in try #require(all["probes"] as? [[String: Any]]) {
            #expect(!failing.contains(probe["id"] as? String ?? ""))
        }
    }

    @Test("plans for a node that the store has not met")
    func near() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 100)
        let result = try Command.run("warm", "--dry-run", "--near", "hello", "--db", path)
        #expect(result.status == 0 && !result.output.isEmpty)
    }
}
