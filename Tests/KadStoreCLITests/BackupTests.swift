import Foundation
import Testing

@testable import KadStore

@Suite("kadstore backup and restore")
struct BackupTests {
    private func sound(_ path: String) throws -> Int {
        let check = try Command.run("check", "--full", "--json", "--db", path)
        #expect(check.status == 0, "\(check.messages)\(check.output)")
        return try #require(check.json()["peersChecked"] as? Int)
    }

    @Test("there and back, with words and as JSON")
    func roundTrip() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 50)
        let made = try Command.run("backup", "b.db", "--db", "a.db", folder: scratch.folder)
        #expect(made.status == 0 && made.output.isEmpty)
        #expect(made.messages.contains("50 peers"))
        let again = try Command.run("backup", "b.db", "--db", "a.db", folder: scratch.folder)
        #expect(again.status == 73)
        let forced = try Command.run("backup", "--force", "--json", "b.db", "--db", "a.db", folder: scratch.folder)
        let document = try forced.json()
        #expect(document["peers"] as? Int == 50 && document["problem"] is NSNull && document["version"] as? Int == 1)
        for own in ["a.db", "a.db-wal", "./a.db-lock"] {
            #expect(try Command.run("backup", "--force", own, "--db", "a.db", folder: scratch.folder).status == 64)
        }

        let new = try Command.run("restore", "b.db", "--db", "n.db", "--json", folder: scratch.folder)
        #expect(new.status == 0)
        #expect(try new.json()["isNew"] as? Bool == true)
        try await Samples.fill(scratch.path("small.db"), count: 4)
        let refused = try Command.run("restore", "small.db", "--db", "n.db", folder: scratch.folder)
        #expect(refused.status == 73 && refused.messages.contains("--force"))
        #expect(try sound(scratch.path("n.db")) == 50)
        let replaced = try Command.run(
            "restore", "--force", "--json", "small.db", "--db", "n.db", folder: scratch.folder)
        let kept = try #require(replaced.json()["kept"] as? String)
        #expect(try sound(scratch.path("n.db")) == 4)
        #expect(try sound(scratch.path(kept)) == 50)
        let readOnly = try Command.run(
            "restore", "--force", "--read-only", "b.db", "--db", "n.db", folder: scratch.folder)
        #expect(readOnly.status == 64)
    }

    @Test("of a damaged store: refused with 65; copied with --damaged and 3")
    func damaged() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 5)
        try Connection(path: scratch.path("a.db"), access: .readWrite).execute("UPDATE peer SET addresses = x'ff'")
        #expect(try Command.run("backup", "b.db", "--db", "a.db", folder: scratch.folder).status == 65)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("b.db")))
        #expect(try Command.run("backup", "--damaged", "b.db", "--db", "a.db", folder: scratch.folder).status == 3)
        #expect(try Command.run("restore", "b.db", "--db", "n.db", folder: scratch.folder).status == 65)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("n.db")))
    }

    @Test("text is told where it goes")
    func text() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 5)
        #expect(try Command.run("export", "a.jsonl", "--db", "a.db", folder: scratch.folder).status == 0)
        let result = try Command.run("restore", "a.jsonl", "--db", "n.db", folder: scratch.folder)
        #expect(result.status == 65 && result.messages.contains("import --restore"))
    }

    @Test("restore and migrate are refused while another process has the store open, whatever program it is")
    func inUse() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 5)
        #expect(try Command.run("backup", "b.db", "--db", "a.db", folder: scratch.folder).status == 0)
        // Python's sqlite3, idle after a read: it holds nothing but the lock of whoever has the log open.
        let line = """
            python3 -c 'import sqlite3, sys
            c = sqlite3.connect("a.db"); c.execute("select count(*) from peer").fetchall(); c.commit()
            open("ready", "w").close(); sys.stdin.read()' < fifo & exec 3> fifo
            while [ ! -e ready ]; do sleep 0.05; done
            "$KADSTORE" restore --force b.db --db a.db --wait 0.1; echo $?
            exec 3>&-; wait
            "$KADSTORE" restore --force b.db --db a.db --wait 5; echo $?
            """
        let result = try Command.shell(
            "mkfifo fifo; command -v python3 > /dev/null || exit 99\n" + line, folder: scratch.folder)
        guard result.status != 99 else { return }
        #expect(result.lines == ["75", "0"], "\(result.messages)")
        #expect(result.messages.contains("open"))
        // A reader and a writer of our own, in this process.
        for mode in [OpenMode.readOnly, .readWrite] {
            let store = try await Store.open(scratch.path("a.db"), mode: mode)
            let refused = try Command.run(
                "restore", "--force", "b.db", "--db", "a.db", "--wait", "0.05", folder: scratch.folder)
            #expect(refused.status == 75, "\(refused.messages)")
            #if os(Linux)
            #expect(refused.messages.contains("process \(getpid())"))
            #endif
            try await store.close()
        }
    }

    @Test("a backup or restore that is killed at any moment leaves the old store or the new one, and old backups whole")
    func killed() async throws {
        let scratch = Scratch()
        let folder = scratch.folder
        try await Samples.fill(scratch.path("old.db"), count: 3_000)
        try await Samples.fill(scratch.path("new.db"), count: 2_000)
        #expect(try Command.run("restore", "old.db", "--db", "a.db", folder: folder).status == 0)
        var counts: Set<Int> = []
        for step in 0..<14 {
            let from = step.isMultiple(of: 2) ? "new.db" : "old.db"
            _ = try Command.shell(
                "timeout -s KILL \(0.02 + Double(step) * 0.08) \"$KADSTORE\" restore --force --no-keep \(from) --db a.db",
                folder: folder)
            counts.insert(try sound(scratch.path("a.db")))
            _ = try Command.shell(
                "timeout -s KILL \(0.02 + Double(step) * 0.05) \"$KADSTORE\" backup --force b.db --db a.db",
                folder: folder)
            guard FileManager.default.fileExists(atPath: scratch.path("b.db")) else { continue }
            #expect([2_000, 3_000].contains(try sound(scratch.path("b.db"))))
        }
        #expect(counts.isSubset(of: [2_000, 3_000]))
    }

    @Test(
        "a full disk leaves no backup and the old store", .enabled(if: geteuid() == 0, "needs a file system of its own")
    )
    func fullDisk() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("small.db"), count: 10)
        try await Samples.fill(scratch.path("big.db"), count: 4_000)
        try FileManager.default.createDirectory(atPath: scratch.path("disk"), withIntermediateDirectories: true)
        let script = """
            mount -t tmpfs -o size=600k none disk || exit 99
            "$KADSTORE" restore small.db --db disk/a.db || exit 98
            "$KADSTORE" restore --force --no-keep big.db --db disk/a.db; echo $?
            "$KADSTORE" check --full --json --db disk/a.db > check.json; echo $?
            "$KADSTORE" backup disk/b.db --db big.db; echo $?
            ls -A disk
            """
        try Data(script.utf8).write(to: URL(fileURLWithPath: scratch.path("script")))
        let result = try Command.shell("unshare -m sh ./script || echo $? > status", folder: scratch.folder)
        guard !FileManager.default.fileExists(atPath: scratch.path("status")) else { return }
        #expect(result.lines.prefix(3) == ["74", "0", "74"], "\(result.messages)")
        #expect(Set(result.lines.dropFirst(3)) == ["a.db", "a.db-lock"])
        let check = try String(contentsOfFile: scratch.path("check.json"), encoding: .utf8)
        #expect(check.contains("\"peersChecked\":10,"))
    }

    @Test("an interrupted backup leaves nothing")
    func interrupted() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 3_000)
        for delay in ["0.05", "0.15", "0.3"] {
            let result = try Command.shell(
                // It sends the signal twice, to the process and to its group.
                "timeout -s INT \(delay) \"$KADSTORE\" backup b.db --db a.db", folder: scratch.folder)
            let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
            #expect(!names.contains { $0.hasPrefix(".kadstore") }, "\(names)")
            if names.contains("b.db") {
                #expect(try sound(scratch.path("b.db")) == 3_000)
                try FileManager.default.removeItem(atPath: scratch.path("b.db"))
            } else {
                // Before the command listens, the signal ends it as any other.
                #expect([3, 124].contains(result.status), "\(result.messages)")
            }
        }
    }
}
