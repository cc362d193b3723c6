import Foundation
import Testing

@testable import KadStore

@Suite("What kadstore cannot do, it says, with a status for scripts")
struct ErrorTests {
    private static let readers = [["nearest", "x"], ["peers"], ["buckets"], ["stats"], ["check"]]

    @Test("a missing database: 66, with what to do", arguments: readers)
    func missing(command: [String]) throws {
        let scratch = Scratch()
        let result = try Command.run(command + ["--db", scratch.path("none.db")])
        #expect(result.status == 66)
        #expect(result.output.isEmpty)
        #expect(result.messages.hasPrefix("kadstore: "))
        #expect(result.messages.contains("kadstore init"))
        #expect(!FileManager.default.fileExists(atPath: scratch.path("none.db")))
    }

    @Test("what is no store: 65, and the file is left as it is", arguments: readers)
    func notAStore(command: [String]) throws {
        let scratch = Scratch()
        let text = Data("This is a letter, not a database, and it is long enough to be one.\n".utf8)
        try text.write(to: URL(fileURLWithPath: scratch.path("letter.txt")))
        let foreign = try Connection(path: scratch.path("foreign.db"), access: .create)
        try foreign.execute("CREATE TABLE notes (text TEXT)")
        try Data().write(to: URL(fileURLWithPath: scratch.path("empty.db")))
        for name in ["letter.txt", "foreign.db", "empty.db", "."] {
            let result = try Command.run(command + ["--db", scratch.path(name)])
            #expect(result.status == 65, "\(name): \(result.messages)")
            #expect(result.output.isEmpty)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path("letter.txt"))) == text)
        let created = try Command.run("init", "--db", scratch.path("foreign.db"))
        #expect(created.status == 65)
        #expect(created.messages.contains("another program"))
    }

    @Test("a store of a later version: 78, and nothing is changed")
    func newer() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        let connection = try Connection(path: path, access: .readWrite)
        try connection.execute("PRAGMA user_version = 9999")
        for command in Self.readers + [["init"]] {
            let result = try Command.run(command + ["--db", path])
            #expect(result.status == 78)
            #expect(result.messages.contains("9999"))
        }
    }

    @Test("a store of the next version is refused by every command that would write it, and stays as it is")
    func downgrade() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        #expect(try Command.run("backup", "--db", path, scratch.path("good.db")).status == 0)
        try Samples.execute("PRAGMA user_version = 5; PRAGMA wal_checkpoint(TRUNCATE)", on: path)
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        try Data("/ip4/1.2.3.4/tcp/4001/p2p/\(Samples.id(1))\n".utf8)
            .write(to: URL(fileURLWithPath: scratch.path("peers.txt")))
        for arguments in [
            ["migrate", "--db", path], ["migrate", "--dry-run", "--db", path], ["vacuum", "--db", path],
            ["checkpoint", "--db", path], ["restore", scratch.path("good.db"), "--force", "--db", path],
            ["restore", path, "--db", scratch.path("new.db")], ["import", scratch.path("peers.txt"), "--db", path],
            ["export", "--db", path], ["check", "--db", path], ["backup", "--db", path, scratch.path("b.db")],
        ] {
            let result = try Command.run(arguments)
            #expect(result.status == 78, "\(arguments)")
            #expect(result.messages.contains("schema") || result.messages.contains("newer"), "\(result.messages)")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("new.db")))
    }

    @Test("a damaged file: 65")
    func damaged() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 300)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let size = try handle.seekToEnd()
        for offset in stride(from: UInt64(4_096), to: size, by: 4_096) {
            try handle.seek(toOffset: offset)
            try handle.write(contentsOf: Data(repeating: 0xa5, count: 4_096))
        }
        try handle.close()
        let result = try Command.run("peers", "--db", path)
        #expect(result.status == 65, "\(result.messages)")
    }

    @Test("a file or folder that may not be read: 77", .disabled(if: geteuid() == 0, "root may read everything"))
    func forbidden() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
        #expect(try Command.run("peers", "--db", path).status == 77)
        try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: scratch.folder)
        #expect(try Command.run("init", "--db", scratch.path("new.db")).status == 77)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.folder)
    }

    @Test(
        "a wrong command line: 64",
        arguments: [
            ["frobnicate"], ["peers", "--limit", "0"], ["peers", "--since", "yesterday"], ["peers", "--bucket", "257"],
            ["nearest"], ["nearest", "x", "--count", "-1"], ["nearest", "x", "--group", "10.0.0.0/8"],
            ["peers", "--standing", "tall"], ["init", "--scope", "secret"], ["stats", "--db", ""], ["peers", ""],
        ])
    func usage(arguments: [String]) async throws {
        let scratch = Scratch()
        #expect(try Command.run("init", folder: scratch.folder).status == 0)
        let result = try Command.run(arguments, folder: scratch.folder)
        #expect(result.status == 64, "\(result.messages)")
        #expect(result.output.isEmpty)
        #expect(!result.messages.isEmpty)
    }

    @Test("standard output that is full: 74")
    func fullOutput() async throws {
        guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        let result = try Command.shell("\"$KADSTORE\" peers --db '\(path)' > /dev/full")
        #expect(result.status == 74)
        #expect(result.messages.contains("standard output"))
    }

    @Test("help and version go to standard output, with examples and the exit statuses")
    func help() throws {
        let help = try Command.run("--help")
        #expect(help.status == 0)
        for text in ["EXAMPLES", "EXIT STATUS", "KADSTORE_DB", "NO_COLOR"] { #expect(help.output.contains(text)) }
        for command in Self.readers + [["init"]] {
            let result = try Command.run("help", command[0])
            #expect(result.status == 0)
            #expect(result.output.contains("EXAMPLES"))
        }
        #expect(try Command.run("--version").status == 0)
    }
}
