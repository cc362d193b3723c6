import Testing

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

    @Test("an empty store is counted too")
    func empty() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        #expect(try Command.run("init", "--db", path).status == 0)
        #expect(try Command.run("stats", "--db", path).status == 0)
        #expect(try Command.run("stats", "--db", path, "--json").json()["peers"] as? Int == 0)
    }
}
