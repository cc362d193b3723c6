import Foundation
import KadStore
import Kademlia
import Multiformats
import Testing

@Suite("kadstore import and export")
struct ImportTests {
    /// A list of addresses, as `ipfs bootstrap list` prints them.
    private static func list(_ numbers: Range<Int>) throws -> String {
        try numbers.map { try Samples.address($0).with(peerID: Samples.id($0)).description + "\n" }.joined()
    }

    private static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func peerCount(_ path: String) throws -> Int? {
        try Command.run("stats", "--db", path, "--json").json()["peers"] as? Int
    }

    @Test("creates the store where there is none, and changes nothing the second time")
    func twice() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<30), to: scratch.path("list.txt"))
        let first = try Command.run("import", "--db", path, "--scope", "private", scratch.path("list.txt"))
        #expect(first.status == 0)
        #expect(first.output.isEmpty)
        #expect(first.messages.contains("Created"))
        #expect(first.messages.contains("30 added"))
        let second = try Command.run("import", "--db", path, scratch.path("list.txt"), "--json")
        #expect(second.status == 0)
        let document = try second.json()
        #expect(document["isNew"] as? Bool == false)
        let file = try #require((document["files"] as? [[String: Any]])?.first)
        #expect((file["peers"] as? [String: Any])?["unchanged"] as? Int == 30)
        #expect(try peerCount(path) == 30)
    }

    @Test("takes several files, and standard input")
    func several() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<10), to: scratch.path("one.txt"))
        let result = try Command.run(
            ["import", "--db", path, "--scope", "private", scratch.path("one.txt"), "-", "--as-source", "friends"],
            input: Self.list(5..<20))
        #expect(result.status == 0, "\(result.messages)")
        #expect(try peerCount(path) == 20)
        #expect(try Command.run("peers", "--db", path, "--source", "friends", "--limit", "99").lines.count == 21)
    }

    @Test("keeps what is good, says where the rest is wrong, and exits with 3")
    func partly() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<3) + "/ip4/10.0.0.300/tcp/1\n" + Self.list(3..<5), to: scratch.path("list.txt"))
        let result = try Command.run("import", "--db", path, "--scope", "private", scratch.path("list.txt"), "--json")
        #expect(result.status == 3)
        #expect(result.messages.contains("line 4"))
        let file = try #require((try result.json()["files"] as? [[String: Any]])?.first)
        let rejections = try #require(file["rejections"] as? [[String: Any]])
        #expect(rejections.first?["line"] as? Int == 4)
        #expect(try peerCount(path) == 5)
    }

    @Test("a file that is missing does not keep the others out")
    func missingFile() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<3), to: scratch.path("list.txt"))
        let partly = try Command.run(
            "import", "--db", path, "--scope", "private", scratch.path("list.txt"), scratch.path("none.txt"))
        #expect(partly.status == 3)
        #expect(partly.messages.contains("none.txt"))
        let nothing = try Command.run("import", "--db", scratch.path("b.db"), scratch.path("none.txt"))
        #expect(nothing.status == 66)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("b.db")))
        #expect(
            try Command.run("import", "--db", path, scratch.path("none.txt"), scratch.path("none.txt")).status == 66)
    }

    @Test("what is no peer file: 65, and no store comes of it")
    func unrecognised() throws {
        let scratch = Scratch()
        for text in ["", "Dear diary,\nnothing happened.\n", "\u{1f}\u{8b}\u{1b}[31m"] {
            try Self.write(text, to: scratch.path("letter"))
            let result = try Command.run("import", "--db", scratch.path("a.db"), scratch.path("letter"))
            #expect(result.status == 65, "\(result.messages)")
            #expect(!FileManager.default.fileExists(atPath: scratch.path("a.db")))
        }
    }

    @Test("private addresses do not go into a public store, and the way out is told")
    func unroutable() throws {
        let scratch = Scratch()
        try Self.write(Self.list(0..<3), to: scratch.path("list.txt"))
        let result = try Command.run("import", "--db", scratch.path("a.db"), scratch.path("list.txt"))
        #expect(result.status == 65)
        #expect(result.messages.contains("--scope private"))
        #expect(try Command.run("init", "--db", scratch.path("a.db")).status == 0)
        let expectation = try Command.run(
            "import", "--db", scratch.path("a.db"), "--scope", "private", scratch.path("list.txt"))
        #expect(expectation.status == 78)
    }

    @Test("a dry run changes nothing, whether there is a store or not")
    func dryRun() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try FileManager.default.createDirectory(atPath: scratch.path("tmp"), withIntermediateDirectories: true)
        try Self.write(Self.list(0..<8), to: scratch.path("list.txt"))
        let command = ["import", "--dry-run", "--json", "--db", path, "--scope", "private", scratch.path("list.txt")]
        let without = try Command.run(command, environment: ["TMPDIR": scratch.path("tmp")])
        #expect(without.status == 0, "\(without.messages)")
        let file = try #require((try without.json()["files"] as? [[String: Any]])?.first)
        #expect((file["peers"] as? [String: Any])?["added"] as? Int == 8)
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("tmp")).isEmpty)

        #expect(try Command.run("init", "--db", path, "--scope", "private").status == 0)
        #expect(try Command.run(command).status == 0)
        #expect(try peerCount(path) == 0)
    }

    @Test("a database is not imported into itself, whatever it is called")
    func itself() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<3), to: scratch.path("list.txt"))
        #expect(try Command.run("init", "--db", path, "--scope", "private").status == 0)
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: path)
        for name in [path, scratch.path("link"), path + "-lock"] {
            let result = try Command.run("import", "--db", path, scratch.path("list.txt"), name)
            #expect(result.status == 64, "\(result.messages)")
            #expect(result.messages.contains("is the database itself"))
        }
        #expect(try peerCount(path) == 0)
    }

    @Test("export, restore, export gives the same bytes")
    func restore() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 200)
        _ = try await Samples.addIdentity(path, peers)
        let exported = try Command.run("export", "--db", path, scratch.path("a.jsonl"))
        #expect(exported.status == 0)
        #expect(exported.output.isEmpty)
        #expect(exported.messages.contains("200 peers"))
        let restored = try Command.run(
            "import", "--restore", "--json", "--db", scratch.path("b.db"), scratch.path("a.jsonl"))
        #expect(restored.status == 0, "\(restored.messages)")
        #expect((try restored.json()["restored"] as? [String: Any])?["peers"] as? Int == 200)
        let again = try Command.run("export", "--db", scratch.path("b.db"))
        #expect(again.status == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path("a.jsonl"))) == Data(again.output.utf8))
        let full = try Command.run("import", "--restore", "--db", scratch.path("b.db"), scratch.path("a.jsonl"))
        #expect(full.status == 73)
        #expect(try Command.run("check", "--full", "--db", scratch.path("b.db")).status == 0)
    }

    @Test("exports the peers that meet the conditions, in the format that is asked for")
    func exportFormats() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 40)
        let list = try Command.run("export", "--db", path, "--format", "multiaddrs", "--answered-since", "2d")
        #expect(list.status == 0)
        #expect(list.lines.count == 10)
        #expect(list.lines.allSatisfy { $0.hasPrefix("/ip4/10.") && $0.contains("/p2p/12D3KooW") })
        #expect(try Command.run("export", "--db", path, "--format", "csv", "-").lines.count == 41)
        #expect(try Command.run("export", "--db", path, "--format", "nebula").status == 64)
    }

    @Test("an export never replaces the database, nor leaves half a file")
    func exportSafety() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4)
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path("link"), withDestinationPath: path)
        #expect(try Command.run("export", "--db", path, path).status == 64)
        #expect(try Command.run("export", "--db", path, scratch.path("link")).status == 64)
        #expect(try peerCount(path) == 4)
        #expect(try Command.run("export", "--db", path, scratch.path("no/such/folder.jsonl")).status == 73)
        #expect(try Command.run("export", "--db", scratch.path("none.db"), scratch.path("x")).status == 66)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("x")))
    }

    @Test("an interrupted import stops, says how to go on, and exits with 3", arguments: ["INT", "TERM"])
    func interrupted(signal: String) throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try Self.write(Self.list(0..<9_000), to: scratch.path("list.txt"))
        // More than a pipe holds: when the first list is written, the command is reading. The second list brings it to
        // the place where it looks whether to stop. A shell starts what runs aside with SIGINT ignored, as nohup does.
        let result = try Command.shell(
            """
            mkfifo pipe
            "$KADSTORE" import --db '\(path)' --scope private - < pipe & command=$!
            exec 3> pipe
            cat list.txt >&3
            kill -\(signal) $command
            trap '' PIPE
            cat list.txt >&3 2> /dev/null
            exec 3>&-
            wait $command
            """, folder: scratch.folder)
        #expect(result.status == 3, "\(result.messages)")
        #expect(result.messages.contains("again"))
        // Nothing was taken yet, so no store was made.
        #expect(try Command.run("check", "--db", path).status == 66)
    }

    @Test(
        "mistakes of usage: 64",
        arguments: [
            ["import"], ["import", "-", "-"], ["import", "--restore", "a", "b"],
            ["import", "--restore", "--dry-run", "a"],
            ["import", "--format", "word", "a"], ["export", "a", "b"], ["export", ""],
        ])
    func usage(arguments: [String]) throws {
        let scratch = Scratch()
        #expect(try Command.run(arguments, folder: scratch.folder).status == 64)
    }
}
