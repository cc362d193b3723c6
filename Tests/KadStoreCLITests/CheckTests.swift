import Testing

@testable import KadStore

@Suite("kadstore check")
struct CheckTests {
    @Test("finds a sound store sound, and says what SQLite it runs on", arguments: [[], ["--full"]])
    func sound(options: [String]) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 50)
        _ = try await Samples.addIdentity(path, peers)
        let result = try Command.run(["check", "--db", path] + options)
        #expect(result.status == 0)
        #expect(result.output.isEmpty)
        #expect(result.messages.contains("Sound"))
        #expect(result.messages.contains("SQLite 3."))
        let document = try Command.run(["check", "--db", path, "--json"] + options).json()
        #expect(document["isSound"] as? Bool == true)
        #expect(document["peersChecked"] as? Int == 50)
    }

    @Test("prints what is wrong and exits with 1")
    func unsound() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 10)
        try Connection(path: path, access: .readWrite).execute(
            "UPDATE peer SET first_seen = last_seen + 1, seal = NULL WHERE key = (SELECT min(key) FROM peer)")
        let result = try Command.run("check", "--db", path)
        #expect(result.status == 1)
        #expect(result.output.contains("first seen after"))
        #expect(result.messages.contains("1 problem found"))
        let document = try Command.run("check", "--db", path, "--json")
        #expect(document.status == 1)
        let problems = try #require(try document.json()["problems"] as? [[String: Any]])
        #expect(problems.count == 1)
        #expect(problems.first?["place"] as? String == "peer")
    }

    @Test("names rows that do not match their seals, and counts those without one, which are no problem")
    func seals() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 10)
        try Samples.execute("UPDATE peer SET seal = NULL WHERE key = (SELECT min(key) FROM peer)", on: path)
        let unsealed = try Command.run("check", "--db", path)
        #expect(unsealed.status == 0)
        #expect(unsealed.messages.contains("1 row without a seal") && unsealed.messages.contains("kadstore vacuum"))
        let vacuum = try Command.run("vacuum", "--db", path)
        #expect(vacuum.status == 0 && vacuum.messages.contains("1 row sealed"))
        #expect(try !Command.run("check", "--db", path).messages.contains("without a seal"))

        try Samples.execute(
            "UPDATE peer SET last_seen = last_seen + 1 WHERE key = (SELECT max(key) FROM peer)", on: path)
        let damaged = try Command.run("check", "--db", path, "--json")
        #expect(damaged.status == 1)
        let document = try damaged.json()
        #expect(document["damagedRows"] as? Int == 1 && document["unsealedRows"] as? Int == 0)
        #expect(try Command.run("check", "--db", path).output.contains("does not match its seal"))
        #expect(try Command.run("export", "--db", path, scratch.path("a.jsonl")).status == 3)
        #expect(try Command.run("vacuum", "--db", path).status == 0)
        #expect(try Command.run("check", "--db", path).status == 1)
    }
}
