import Foundation
import KadStore
import Testing

@Suite("kadstore convert and diff")
struct ConvertDiffTests {
    private static func list(_ numbers: Range<Int>) throws -> String {
        try numbers.map { try Samples.address($0).with(peerID: Samples.id($0)).description + "\n" }.joined()
    }

    private func write(_ text: String, _ name: String, _ scratch: Scratch) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: scratch.path(name)))
        return scratch.path(name)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("convert writes files and pipes, the same bytes for the same time, and says what became of each file")
    func convert() throws {
        let scratch = Scratch()
        let (one, two) = (
            try write(Self.list(0..<20), "1.txt", scratch), try write(Self.list(10..<30), "2.txt", scratch)
        )
        let arguments = ["--to", "kadstore", "--scope", "private", "--at", "2026-01-01"]
        let file = try Command.run(["convert", one, two, scratch.path("o.jsonl"), "--json"] + arguments)
        #expect(file.status == 0, "\(file.messages)")
        #expect(file.messages.contains("30 peers"))
        let document = try file.json()
        #expect((document["written"] as? [String: Any])?["peers"] as? Int == 30)
        #expect((document["files"] as? [[String: Any]])?.map { $0["taken"] as? Int } == [20, 20])
        let piped = try Command.run(
            ["convert", one, "-", "-"] + arguments + ["--as-source", "file:2.txt", "--from", "auto"],
            input: Self.list(10..<30))
        #expect(piped.status == 0, "\(piped.messages)")
        // The sources differ: the second came by a name of its own.
        let mode = try FileManager.default.attributesOfItem(atPath: scratch.path("o.jsonl"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let again = try Command.run(["convert", one, two, "-"] + arguments)
        #expect(again.output == (try text(scratch.path("o.jsonl"))))
        #expect(try Command.run("diff", one, scratch.path("o.jsonl")).status == 1)
    }

    @Test("import and diff do not read an open database, or a part of it, as a file")
    func ownFiles() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        _ = try await Samples.fill(path, count: 20)
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link.db"), withDestinationPath: path)
        let store = try await Store.open(path)
        defer { withExtendedLifetime(store) {} }
        for name in ["a.db", "link.db", "a.db-wal", "a.db-shm", "a.db-lock"] {
            let file = scratch.path(name)
            for database in [path, scratch.path("link.db")] {
                let imported = try Command.run("import", "--db", database, file)
                #expect(imported.status == 64 && imported.messages.contains("part of it"), "\(name)")
                #expect(try Command.run("export", "--db", database, file).status == 64, "\(name)")
                guard name.contains("db-") else { continue }
                #expect(try Command.run("diff", database, file).status == 64, "\(name)")
                #expect(try Command.run("diff", file, database).status == 64, "\(name)")
            }
        }
        #expect(try Command.run("diff", path, scratch.path("link.db")).status == 0)
        try await store.close()
    }

    @Test("convert refuses what it would destroy, mix or not know")
    func refusals() throws {
        let scratch = Scratch()
        let one = try write(Self.list(0..<3), "1.txt", scratch)
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: one)
        #expect(try Command.run("convert", one, one, "--to", "csv").status == 64)
        #expect(try Command.run("convert", one, scratch.path("link"), "--to", "csv").status == 64)
        #expect(try Command.run("convert", one, scratch.path("o"), "--to", "csv", "--reject-file", one).status == 64)
        #expect(try text(one) == Self.list(0..<3))
        #expect(try Command.run("convert", one, scratch.path("o"), "--to", "csv").status == 65)
        #expect(try Command.run("convert", one, scratch.path("o"), "--to", "csv", "--network", "mainline").status == 78)
        let csv = try write("id,address\n", "a.csv", scratch)
        #expect(try Command.run("convert", csv, scratch.path("o"), "--to", "csv").status == 64)
        #expect(try Command.run("convert", scratch.path("none"), scratch.path("o"), "--to", "csv").status == 66)
        #expect(try Command.run("convert", one, scratch.path("no/o"), "--to", "csv", "--scope", "private").status == 73)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("o")))
        #expect(try Command.run("convert", one, scratch.path("o"), "--to", "nebula").status == 64)
        #expect(try Command.run("convert", one, "--to", "csv").status == 64)
    }

    @Test("diff: 0 for the same, 1 for different, 64 and more where it could not compare")
    func diff() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 40)
        #expect(try Command.run("export", "--db", path, scratch.path("a.jsonl")).status == 0)
        #expect(try Command.run("export", "--db", path, "--format", "csv", scratch.path("a.csv")).status == 0)
        for other in ["a.db", "a.jsonl", "a.csv"] {
            let same = try Command.run("diff", path, scratch.path(other))
            #expect(same.status == 0, "\(other): \(same.messages)")
            #expect(same.output.isEmpty)
        }
        let some = try write(Self.list(1..<39), "some.txt", scratch)
        let different = try Command.run("diff", path, some, "--summary")
        #expect(different.status == 1)
        #expect(different.output.contains("2 only in A, 0 only in B"))
        let listed = try Command.run("diff", some, path)
        #expect(listed.status == 1)
        #expect(listed.lines.count == 2 && listed.lines.allSatisfy { $0.hasPrefix("+ 12D3KooW") })
        let json = try Command.run("diff", path, some, "--json", "--limit", "1")
        #expect(json.status == 1)
        let document = try json.json()
        #expect((document["differences"] as? [[String: Any]])?.first?["change"] as? String == "only-in-first")
        #expect(document["isComplete"] as? Bool == false)
        #expect((document["peers"] as? [String: Any])?["same"] as? Int == 38)
        let standing = try Command.run("diff", path, scratch.path("a.jsonl"), "--standing", "failing", "--summary")
        #expect(standing.output.contains("10 peers"))
        #expect(try Command.run("diff", path, scratch.path("none")).status == 66)
        #expect(try Command.run("diff", path, try write("Dear diary\n", "diary", scratch)).status == 65)
        #expect(try Command.run("diff", "-", "-").status == 64)
        #expect(try Command.run("diff", path, some, "--ignore", "colour").status == 64)
        let whole = try text(scratch.path("a.jsonl"))
        let cut = try write(String(whole.dropLast(30)), "cut.jsonl", scratch)
        let damaged = try Command.run("diff", path, cut)
        #expect(damaged.status == 65, "\(damaged.messages)")
        #expect(damaged.messages.contains("reading ended early"))
        let mainline = try Command.run("init", "--db", scratch.path("m.db"), "--network", "mainline")
        #expect(mainline.status == 0)
        #expect(try Command.run("diff", path, scratch.path("m.db")).status == 78)
    }

    @Test("diff tells the fields of a peer that changed")
    func changes() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 8)
        try FileManager.default.copyItem(atPath: scratch.path("a.db"), toPath: scratch.path("b.db"))
        let store = try await Store.open(scratch.path("b.db"))
        let peer = try store.peer(Samples.id(2))
        try store.record(.heard(peer, addresses: [Samples.address(77)], source: "new", at: .systemClock()))
        try await store.close()
        let result = try Command.run("diff", scratch.path("a.db"), scratch.path("b.db"))
        #expect(result.status == 1)
        let line = try #require(result.lines.first)
        #expect(line.hasPrefix("~ \(Samples.text(peer.id))") && line.contains("addresses +1 -0"))
        #expect(line.contains("last-seen") && result.lines.count == 1)
        let ignoring = try Command.run(
            "diff", scratch.path("a.db"), scratch.path("b.db"), "--ignore", "history,addresses")
        #expect(ignoring.status == 0, "\(ignoring.output)")
    }
}

@Suite("kadstore import's options")
struct ImportOptionsTests {
    private static func list(_ numbers: Range<Int>) throws -> String {
        try numbers.map { try Samples.address($0).with(peerID: Samples.id($0)).description + "\n" }.joined()
    }

    private func write(_ text: String, _ name: String, _ scratch: Scratch) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: scratch.path(name)))
        return scratch.path(name)
    }

    @Test("refused records stand in the summary by reason, and in the file that is asked for")
    func rejects() throws {
        let scratch = Scratch()
        let bad = try Self.list(0..<3) + "/ip4/10.0.0.300/tcp/1\n/ip4/10.0.0.3/tcp/1/p2p/Qm\nhello\n"
        let list = try write(bad, "list.txt", scratch)
        let result = try Command.run(
            "import", "--dry-run", "--db", scratch.path("a.db"), "--scope", "private", "--format", "auto", list,
            "--reject-file", scratch.path("r.jsonl"), "--json")
        #expect(result.status == 3, "\(result.messages)")
        #expect(result.messages.contains("    address: "))
        #expect(result.messages.contains("3 would be added"))
        let lines = try String(contentsOfFile: scratch.path("r.jsonl"), encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 3 && lines[0].contains("\"text\":\"/ip4/10.0.0.300/tcp/1\""))
        #expect(!FileManager.default.fileExists(atPath: scratch.path("a.db")))
        for name in ["list.txt", "a.db"] {
            let refused = try Command.run(
                "import", "--db", scratch.path("a.db"), "--scope", "private", list, "--reject-file", scratch.path(name))
            #expect(refused.status == 64, "\(name): \(refused.messages)")
        }
        #expect(
            try Command.run(
                "import", "--db", "b.db", "--scope", "private", list, "--reject-file", "./b.db", folder: scratch.folder
            ).status == 64)
        #expect(try Command.run("check", "--full", "--db", scratch.path("b.db")).status == 0)
        #expect(try Command.run("import", list, "--reject-file", scratch.path("no/r")).status == 73)
    }

    @Test("conditions choose what is imported, and what they leave out is counted")
    func conditions() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 40)
        #expect(try Command.run("export", "--db", scratch.path("a.db"), scratch.path("a.jsonl")).status == 0)
        for (index, options) in [
            ["--standing", "failing"], ["--backed-off"], ["--breaker", "open"], ["--answered", "--since", "1d"],
            ["--group", "10.0.0.3", "--standing", "failing"], ["--source", "sample", "--answered-since", "2d"],
            ["--agent", "kubo"],
        ].enumerated() {
            let path = scratch.path("\(index).db")
            let result = try Command.run(
                ["import", "--db", path, "--no-history", scratch.path("a.jsonl"), "--json"] + options)
            #expect(result.status == 0, "\(result.messages)")
            let file = try #require((try result.json()["files"] as? [[String: Any]])?.first)
            #expect(file["filtered"] as? Int == 30, "\(options)")
            let listed = try Command.run(["peers", "--db", scratch.path("a.db")] + options)
            #expect(listed.lines.count == 11, "\(options)")
            #expect(try Command.run("peers", "--db", path, "--answered").output.isEmpty)
        }
        let target = Samples.text(try Samples.id(5))
        let bucket = try Command.run(
            "import", "--db", scratch.path("b.db"), scratch.path("a.jsonl"), "--bucket", "256", "--near", target)
        #expect(bucket.messages.contains("1 added"), "\(bucket.messages)")
        #expect(
            try Command.run("import", "--db", scratch.path("c.db"), scratch.path("a.jsonl"), "--bucket", "3").status
                == 64)
        #expect(try Command.run("import", "a", "--near", "x").status == 64)
        #expect(try Command.run("import", "a", "--no-history", "--trust-history").status == 64)
        #expect(try Command.run("import", "a", "--restore", "--answered").status == 64)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("c.db")))
    }

    @Test("of which nothing is taken, or a refused restore, leaves no store behind")
    func nothingLeft() async throws {
        let scratch = Scratch()
        let path = scratch.path("new.db")
        let list = try write(Self.list(0..<3), "list.txt", scratch)
        #expect(try Command.run("import", "--db", path, list).status == 65)
        #expect(try Command.run("import", "--db", path, "--scope", "private", "--answered", list).status == 0)
        try await Samples.fill(scratch.path("a.db"), count: 9)
        let whole = try Command.run("export", "--db", scratch.path("a.db")).output
        let cut = try write(String(whole.dropLast(40)), "cut.jsonl", scratch)
        let refused = try Command.run("import", "--restore", "--db", path, cut)
        #expect(refused.status == 65 && refused.messages.contains("Nothing was changed"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(names.filter { $0.hasPrefix("new.db") } == [])
        let later = try Command.run("import", "--db", path, "--scope", "private", scratch.path("none"), list)
        #expect(later.status == 3 && later.messages.contains("3 added"))
    }

    @Test("an unknown file says what was tried")
    func unknown() throws {
        let scratch = Scratch()
        let result = try Command.run("import", try write("address,agent\n1,2\n", "a.csv", scratch))
        #expect(result.status == 65)
        #expect(result.messages.contains("csv (its first line names no column 'id')"))
    }
}
