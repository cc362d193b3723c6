import Foundation
import KadStore
import Kademlia
import Testing

@Suite("What kadstore shows")
struct TerminalOutputTests {
    private static let views = [["nearest", "x"], ["peers"], ["buckets"], ["stats"]]

    @Test(
        "what strangers say of themselves never reaches the terminal raw, in any locale", arguments: ["C.UTF-8", "C"])
    func hostile(locale: String) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 4)
        let store = try await Store.open(path)
        let now = Instant.systemClock()
        try store.record(
            .identified(peers[0], agent: Samples.hostileAgent, protocols: [Samples.hostileAgent], at: now))
        let source = "file:\(Samples.hostileAgent)"
        try store.record(.heard(store.peer(Samples.id(99)), addresses: [], source: source, at: now))
        _ = try await store.identity(Samples.id(77), label: Samples.hostileAgent)
        try await store.close()
        let commands =
            Self.views + [
                ["peers", Samples.text(peers[0].id)], ["peers", Samples.text(try Samples.id(99))], ["check"],
                ["peers", "\u{1b}[31mred\u{202e}"], ["nearest", "\u{1b}[31mred\u{202e}"],
                ["buckets", "--identity", "\u{1b}[31mred"],
            ]
        for command in commands {
            for options in [[], ["--json"]] {
                let result = try Command.run(command + options + ["--db", path], environment: ["LC_ALL": locale])
                for scalar in (result.output + result.messages).unicodeScalars where scalar != "\n" {
                    let category = scalar.properties.generalCategory
                    #expect(category != .control && category != .format, "\(command): U+\(scalar.value)")
                }
            }
        }
        let document = try Command.run("peers", Samples.text(peers[0].id), "--json", "--db", path).json()
        let agent = (document["peer"] as? [String: Any])?["agent"] as? String
        #expect(agent == Samples.hostileAgent)
    }

    @Test("color is for terminals, unless it is forced; NO_COLOR has the last word")
    func color() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 40)
        for view in Self.views {
            func isColored(_ environment: [String: String]) throws -> Bool {
                let result = try Command.run(view + ["--db", path], environment: environment)
                #expect(result.status == 0)
                return result.output.contains("\u{1b}[")
            }
            #expect(try !isColored([:]))
            #expect(try isColored(["CLICOLOR_FORCE": "1"]))
            #expect(try !isColored(["CLICOLOR_FORCE": "1", "NO_COLOR": "1"]))
            #expect(try isColored(["CLICOLOR_FORCE": "1", "NO_COLOR": ""]))
        }
    }

    @Test("a reader that has seen enough ends the command in silence")
    func head() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3_000)
        for options in ["", "--json"] {
            let result = try Command.shell("\"$KADSTORE\" peers \(options) --db '\(path)' | head -n 2")
            #expect(result.status == 0)
            #expect(result.lines.count == 2)
            #expect(result.messages.isEmpty)
        }
        // Nothing is held: the store can be written at once.
        let store = try await Store.open(path)
        try store.record(.forgotten(store.peer(Samples.id(1)), leaving: nil))
        try await store.close()
    }

    @Test("in a pipe nothing is cut")
    func uncut() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 4)
        let store = try await Store.open(path)
        let agent = String(repeating: "long/", count: 40)
        try store.record(.identified(peers[0], agent: agent, protocols: [], at: Instant.systemClock()))
        try await store.close()
        let result = try Command.run("peers", "--db", path, environment: ["COLUMNS": "40"])
        #expect(result.output.contains(agent))
    }

    @Test("on a terminal every line fits, down to 50 columns", arguments: [50, 80, 132])
    func fits(columns: Int) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 60)
        for view in [["peers"], ["nearest", "x"], ["buckets", "--near", "x"]] {
            let shown = try PseudoTerminal.run(view + ["--db", path], columns: columns)
            let lines = shown.split(separator: "\r\n").filter { line in
                !["target:", "Around", "table would"].contains { line.contains($0) }
            }
            #expect(lines.count >= 5)
            for line in lines { #expect(PseudoTerminal.plain(line).count <= columns, "\(line)") }
        }
        let shown = try PseudoTerminal.run(["peers", "--db", path], columns: columns)
        #expect(peers.allSatisfy { shown.contains($0.key.hex(byteCount: 5)) })
        #expect(shown.contains("\u{1b}["))
    }

    @Test("a dumb terminal gets no escape sequences")
    func dumb() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 60)
        for view in Self.views {
            let shown = try PseudoTerminal.run(view + ["--db", path], columns: 80, environment: ["TERM": "dumb"])
            #expect(!shown.contains("\u{1b}"))
        }
    }
}
