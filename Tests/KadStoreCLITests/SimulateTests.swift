import Testing

@testable import KadStoreCLI

@Suite("kadstore simulate")
struct SimulateTests {
    private let small = [
        "simulate", "lookups", "--nodes", "200", "--lookups", "2", "--seed", "7", "--seeds", "2", "--dead", "50",
        "--earlier", "2",
    ]

    @Test("lists the experiments, for people and as JSON")
    func list() throws {
        let result = try Command.run("simulate", "--list")
        #expect(result.status == 0 && result.output.contains("lookups-churn"))
        let document = try Command.run("simulate", "--list", "--json").json()
        let experiments = try #require(document["experiments"] as? [[String: Any]])
        #expect(document["version"] as? Int == 1)
        #expect(experiments.contains { $0["name"] as? String == "lookups" && $0["goals"] as? Int == 7 })
    }

    @Test("prints documented JSON, the same for the same seed")
    func json() throws {
        let result = try Command.run(small + ["--json"])
        #expect(result.status == 0)
        #expect(try Command.run(small + ["--json"]).output == result.output)
        let document = try result.json()
        #expect(document["version"] as? Int == 1 && document["nodes"] as? Int == 200)
        #expect(document["lookups"] as? Int == 2 && document["seeds"] as? [Int] == [7, 8])
        let experiments = try #require(document["experiments"] as? [[String: Any]])
        let experiment = try #require(experiments.first)
        #expect(experiments.count == 1 && experiment["name"] as? String == "lookups")
        let traces = try #require(experiment["traces"] as? [String])
        #expect(traces.count == 2 && traces[0] != traces[1] && traces.allSatisfy { $0.utf8.count == 16 })
        let rows = try #require(experiment["rows"] as? [[String: Any]])
        let names = rows.compactMap { $0["name"] as? String }
        #expect(names.contains("50 % dead, alpha 10, origin") && names.contains("50 % dead, exhaustive search"))
        let figures = try #require(rows.first?["figures"] as? [String: [String: Any]])
        let recall = try #require(figures["recall"])
        #expect(recall["unit"] as? String == "share" && recall["seeds"] as? Int == 2)
        for name in ["mean", "median", "least", "greatest"] { #expect(recall[name] as? Double != nil) }
        for name in ["queries", "timeouts", "medianMs", "p95Ms", "distances", "peakCandidates", "ceiling"] {
            #expect(figures[name] != nil, "\(name)")
        }
        let goals = try #require(experiment["goals"] as? [[String: Any]])
        #expect(goals.count == 4)
        for goal in goals {
            #expect(names.contains(try #require(goal["row"] as? String)))
            #expect(["atMost", "atLeast"].contains(goal["bound"] as? String))
            #expect(goal["limit"] is Double && goal["value"] is Double && goal["isMet"] is Bool)
        }
    }

    @Test("prints a table, goals and traces for people, and what it is at on standard error")
    func table() throws {
        let result = try Command.run(small)
        #expect(result.status == 0)
        #expect(result.output.contains("\n50 % dead, alpha 10\n  origin "))
        #expect(result.output.contains("\n  engine, history + 10 % store, stop 1.5 k "))
        #expect(result.output.contains("RECALL") && result.output.contains("WANTED"))
        #expect(result.output.contains("trace: seed 7 ") && result.output.contains(", seed 8 "))
        #expect(result.messages.contains("lookups: seed 2 of 2") && result.messages.contains("of 4 goals met"))
        // A missed goal is a finding, unless one asks.
        let isMissed = result.output.split(separator: "\n").contains { $0.hasPrefix("missed") }
        #expect(try Command.run(small + ["--check"]).status == (isMissed ? 1 : 0))
    }

    @Test(
        "refuses what makes no sense",
        arguments: [
            ["nothing"], ["--nodes", "1"], ["--seeds", "0"], ["--seed", "9223372036854775807"], ["--dead", "95"],
            ["--alpha", "0"], ["--lookups", "0"],
        ])
    func usage(arguments: [String]) throws {
        let result = try Command.run(["simulate"] + arguments)
        #expect(result.status == 64 && result.output.isEmpty && !result.messages.isEmpty)
    }

    @Test("says once what rows have in common")
    func rowNames() {
        func shown(_ names: String...) -> [String] {
            RowNames.shown(names).flatMap { ($0.heading.map { ["[\($0)]"] } ?? []) + [$0.text] }
        }
        #expect(shown() == [] && shown("a, b") == ["a, b"] && shown("a", "a", "b") == ["a", "a", "b"])
        #expect(shown("a, b, c", "a, b, d", "a, e", "b, c") == ["[a, b]", "  c", "  d", "a, e", "b, c"])
        #expect(shown("a, b", "a, c, d", "a", "a, e") == ["[a]", "  b", "  c, d", "a", "a, e"])
        #expect(shown("x", "a, b, c", "a, b, d") == ["x", "[a, b]", "  c", "  d"])
    }
}
