import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

#if canImport(Glibc)
import Glibc
#endif

@Suite("A store full of hostile texts")
struct HostileStoreTests {
    /// Clears the screen, writes the clipboard, sets the title, turns the text around, hides, breaks the line.
    private static let text =
        "\u{1b}[2J\u{1b}]52;c;cm0=\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{85}\u{0}\u{8}\r\nroot# \u{7f}"
    /// As much of it as a name of a file may have.
    private static let name = text.filter { $0 != "\u{0}" }.replacing("\u{0}", with: "") + ".db"

    private func fill(_ scratch: Scratch) async throws {
        let path = scratch.path(Self.name)
        let peers = try await Samples.fill(path, count: 12)
        _ = try await Samples.addIdentity(path, peers)
        let store = try await Store.open(path)
        let now = Instant.systemClock()
        for (number, peer) in peers.enumerated() {
            try store.record(
                .identified(peer, agent: "\(Self.text)\(number)", protocols: ["/\(Self.text)\(number)"], at: now))
            // Of what a name may hold, the parser of addresses takes all.
            if let named = try? Multiaddr("/dns4/evil\(Self.text.filter { $0 != "/" })\(number).com/tcp/1") {
                try store.record(.heard(peer, addresses: [named], source: Self.text, at: now))
                try store.record(.failed(peer, address: named, .refused, at: now))
            }
            try store.record(
                .heard(
                    try store.peer(Samples.id(100 + number)), addresses: [], source: "\(Self.text)\(number)", at: now))
        }
        _ = try await store.identity(Samples.id(77), label: Self.text)
        try await Samples.addValues(store, peers[0])
        try await store.close()
        let lines = "/ip4/10.0.0.1/tcp/1/p2p/\(Samples.text(peers[0].id))\n\(Self.text)\n/dns4/\(Self.text)/tcp/1\n"
        try Data(lines.utf8).write(to: URL(fileURLWithPath: scratch.path("list.txt")))
    }

    /// The first scalar that a terminal would obey, or that a reader would not see.
    private func harm(_ text: String) -> String? {
        for scalar in text.unicodeScalars where scalar != "\n" && scalar != "\t" {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse:
                return "U+\(String(scalar.value, radix: 16)) in \(text.debugDescription.prefix(400))"
            default: continue
            }
        }
        return text.contains("\u{fffd}") ? "bytes that are no text" : nil
    }

    @Test("every command of kadstore is tried, and there are no others")
    func complete() {
        #expect(Set(EveryCommand.names) == Set(EveryCommand.runs.map(\.command)))
    }

    @Test(
        "does not reach the terminal raw, by no command, neither as text nor as JSON, and ends none of them by a fault")
    func everyCommand() async throws {
        let scratch = Scratch()
        try await fill(scratch)
        for command in EveryCommand.runs.map(\.command) {
            for json in [false, true] {
                for (line, result) in try await EveryCommand.results(
                    of: command, on: Self.name, in: scratch.folder, json: json)
                {
                    // What is exported is data: to a terminal it is not written at all.
                    let isData = !json && (command == "export" || line.contains(" - "))
                    if !isData { #expect(harm(result.output) == nil, "\(line)") }
                    #expect(harm(result.messages) == nil, "\(line)")
                    #expect(!result.isSignalled && result.status != 70, "\(line): \(result.messages)")
                    // It is there, as text.
                    let shows = command == "peers" && result.status == 0
                    if shows { #expect(result.output.contains("root#"), "\(line)") }
                }
            }
        }
    }

    @Test("is refused where it is the description of the network, which no command repeats raw")
    func network() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 3)
        let hostile = Self.text.unicodeScalars.map { "char(\($0.value))" }.joined(separator: " || ")
        try Samples.execute("UPDATE network SET name = \(hostile)", on: scratch.path("a.db"))
        for command in ["stats", "peers", "check", "export", "init"] {
            let result = try Command.run(command, "--db", scratch.path("a.db"))
            #expect(harm(result.messages) == nil && !result.isSignalled, "\(command)")
            if command != "export" { #expect(harm(result.output) == nil, "\(command)") }
        }
    }

    @Test("a schema with a program in it is run by no command")
    func trigger() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 8)
        try Data("/ip4/10.0.0.1/tcp/1\n".utf8).write(to: URL(fileURLWithPath: scratch.path("list.txt")))
        try await Samples.fill(scratch.path("good.db"), count: 2)
        try Samples.execute(
            """
            CREATE TRIGGER "evil\u{1b}[2J" AFTER INSERT ON writer BEGIN DELETE FROM peer; END;
            CREATE TRIGGER more AFTER UPDATE ON peer BEGIN SELECT hex(zeroblob(100000000)); END
            """, on: scratch.path("a.db"))
        // Those without a store, and those that have a look at it below.
        let others = ["simulate", "convert", "diff", "restore", "salvage"]
        for command in EveryCommand.names where !others.contains(command) {
            for (line, result) in try await EveryCommand.results(
                of: command, on: "a.db", in: scratch.folder, json: false
            )
            .prefix(1) {
                #expect(result.status == 65, "\(line): \(result.messages)")
                #expect(harm(result.messages) == nil, "\(line)")
            }
        }
        let restored = try Command.run("restore", "--force", "a.db", "--db", "good.db", folder: scratch.folder)
        #expect(restored.status == 65, "\(restored.messages)")
        // It reads the rows by itself, and what it makes has a schema of ours.
        let salvaged = try Command.run("salvage", "--output", "clean.db", "--db", "a.db", folder: scratch.folder)
        #expect(salvaged.status == 0 && harm(salvaged.messages) == nil, "\(salvaged.messages)")
        let clean = try Command.run("check", "--full", "--db", "clean.db", folder: scratch.folder)
        #expect(clean.status == 0, "\(clean.messages)")
        let rows = try Connection(path: scratch.path("a.db"), access: .readOnly).integer("SELECT count(*) FROM peer")
        #expect(rows == 8)
        #expect(try Command.run("stats", "--db", "good.db", folder: scratch.folder).status == 0)
    }
}
