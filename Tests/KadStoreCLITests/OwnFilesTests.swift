import Foundation
import Testing

@testable import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Files that kadstore makes")
struct OwnFilesTests {
    /// The names of the regular files that others than the owner may use in some way.
    private func open(_ folder: String, except: Set<String> = []) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { name in
            var status = stat()
            guard lstat(folder + "/" + name, &status) == 0, !except.contains(name) else { return false }
            return status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o077 != 0
        }
    }

    @Test(
        "are their owner's alone, whatever the umask: stores, logs, locks, keys, backups, exports, pages",
        arguments: ["000", "077"])
    func modes(umask: String) throws {
        let scratch = Scratch()
        let old = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/stores/V0001.sql")
        let script = """
            umask \(umask)
            printf '/ip4/10.0.0.1/tcp/1/p2p/\(EveryCommand.peer(1))\\nrubbish\\n' > list.txt; chmod 600 list.txt
            "$KADSTORE" init --scope private
            "$KADSTORE" import --scope private --reject-file rejected.jsonl list.txt
            "$KADSTORE" export all.jsonl; "$KADSTORE" export --format csv all.csv
            "$KADSTORE" convert all.jsonl other.csv --to csv; "$KADSTORE" report --output page.html
            "$KADSTORE" backup backup.db; "$KADSTORE" restore --force backup.db; "$KADSTORE" vacuum
            "$KADSTORE" migrate --db old.db
            "$KADSTORE" node --scope private --listen /ip4/127.0.0.1/tcp/0 --json > node.json & node=$!; chmod 600 node.json
            for i in $(seq 500); do grep -q listening node.json && break; sleep 0.02; done
            ls -l peers.db-wal peers.db-shm > held.txt; chmod 600 held.txt
            kill $node; wait $node
            """
        try Connection(path: scratch.path("old.db"), access: .create).execute(String(contentsOf: old, encoding: .utf8))
        chmod(scratch.path("old.db"), 0o600)
        let result = try Command.shell(script, folder: scratch.folder)
        #expect(try self.open(scratch.folder) == [], "\(result.messages)")
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: scratch.folder))
        let expected: Set<String> = [
            "peers.db", "peers.db-lock", "peers.db.identity", "rejected.jsonl", "all.jsonl", "all.csv", "other.csv",
            "page.html", "backup.db",
        ]
        #expect(names.isSuperset(of: expected), "\(expected.subtracting(names)): \(result.messages)")
        #expect(names.contains { $0.hasPrefix("peers.db.before-restore-") }, "\(names)")
        #expect(names.contains { $0.hasPrefix("old.db.schema-1-") }, "\(names)")
        #expect(names.allSatisfy { !$0.hasPrefix(".") }, "\(names)")
        // While it was open, too.
        let held = try String(contentsOfFile: scratch.path("held.txt"), encoding: .utf8).split(separator: "\n")
        #expect(held.count == 2 && held.allSatisfy { $0.hasPrefix("-rw-------") }, "\(held)")
    }

    /// What may stand in the way under a name that kadstore makes a file of.
    enum Trap: String, CaseIterable, Sendable {
        case link, dangling, folder, pipe, device
    }

    private func lay(_ trap: Trap, at path: String, to victim: String) throws {
        switch trap {
        case .link: #expect(symlink(victim, path) == 0)
        case .dangling: #expect(symlink(victim + "-new", path) == 0)
        case .folder: #expect(mkdir(path, 0o700) == 0)
        case .pipe: #expect(mkfifo(path, 0o600) == 0)
        case .device: #expect(symlink("/dev/null", path) == 0)
        }
    }

    @Test(
        "are made in nobody's place: a link, a folder or a pipe laid in the way harms no file and holds up no command",
        arguments: ["-lock", "-wal", "-shm", "-journal", ".identity", "copy"], Trap.allCases)
    func traps(name: String, trap: Trap) async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 4)
        for own in ["-lock", "-wal", "-shm"] { unlink(scratch.path("a.db" + own)) }
        let victim = scratch.path("victim")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
        chmod(victim, 0o640)
        let trapped = name == "copy" ? scratch.path("copy") : scratch.path("a.db" + name)
        try lay(trap, at: trapped, to: victim)
        let commands = [
            ["forgive", "--all", "--db", "a.db"], ["stats", "--db", "a.db"], ["backup", "copy", "--db", "a.db"],
            ["backup", "--force", "copy", "--db", "a.db"],
            [
                "provide", "x", "--address", "/ip4/127.0.0.1/tcp/1", "--timeout", "100ms", "--bootstrap",
                "/ip4/127.0.0.1/tcp/1/p2p/\(EveryCommand.peer(9))",
            ]
                + ["--db", "a.db"],
        ]
        // Each name where it matters.
        let own = name == ".identity" ? commands[4...] : name == "copy" ? commands[2..<4] : commands[..<2]
        for command in own {
            let running = try Command.start(command, folder: scratch.folder)
            // A command that waits for a pipe would wait for ever.
            for _ in 0..<3_000 where running.isRunning { try await Nodes.pause() }
            let hangs = running.isRunning
            if hangs { kill(running.identifier, SIGKILL) }
            let result = try await Nodes.waiting(for: running)
            #expect(!hangs && result.status != 70, "\(command) \(name) \(trap): \(result.messages)")
        }
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        var status = stat()
        #expect(stat(victim, &status) == 0 && status.st_mode & 0o777 == 0o640)
        #expect(lstat(victim + "-new", &status) != 0 || name == "copy")
    }

    @Test(
        "have the name that was said, whatever SQLite takes it for",
        arguments: [
            ":memory:", "file:a.db?mode=memory", "file:a?mode=ro&immutable=1", "-v.db", "new\nline.db", "a?b=c#d%41.db",
            "\u{1b}[2J.db", "\u{202e}bd.a", "'; DROP TABLE peer; --.db",
        ])
    func names(name: String) throws {
        let scratch = Scratch()
        #expect(try Command.run("init", "--db=\(name)", folder: scratch.folder).status == 0)
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: scratch.folder)).contains(name))
        for command in ["stats", "check"] {
            let result = try Command.run(command, "--db=\(name)", folder: scratch.folder)
            #expect(result.status == 0, "\(result.messages)")
        }
        chmod(scratch.folder, 0o500)
        defer { chmod(scratch.folder, 0o700) }
        #expect(try Command.run("stats", "--read-only", "--db=\(name)", folder: scratch.folder).status == 0)
    }
}
