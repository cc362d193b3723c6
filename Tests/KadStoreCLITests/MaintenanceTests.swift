import Foundation
import Testing

@testable import KadStore

@Suite("kadstore prune, vacuum, checkpoint, migrate")
struct MaintenanceTests {
    @Test("work while another process writes all the time, and no row is lost")
    func busy() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 2_000)
        let store = try await Store.open(path)
        let writing = Task {
            var number = 10_000
            while !Task.isCancelled {
                let peer = try store.peer(Samples.id(number))
                try store.record(.answered(peer, address: Samples.address(number), rtt: 5, at: .systemClock()))
                try await store.flush()
                number += 1
            }
            return number - 10_000
        }
        for round in 0..<3 {
            for command in [
                ["vacuum"], ["checkpoint"], ["check", "--full"],
                ["prune", "--never-answered", "--not-seen-since", "5d"],
                ["backup", scratch.path("b\(round).db")],
            ] {
                let result = try Command.run(command + ["--db", path])
                // 3: a reader of the other process kept the log.
                #expect(
                    result.status == 0 || result.status == 3 && command.count == 1, "\(command): \(result.messages)")
            }
            #expect(try Command.run("check", "--full", "--db", scratch.path("b\(round).db")).status == 0)
        }
        writing.cancel()
        let written = try await writing.value
        #expect(try store.countPeers() == 1_000 + written)
        #expect(try store.peerCount() == 1_000 + written)
        try await store.close()
        #expect(try Command.run("check", "--full", "--db", path).status == 0)
    }

    @Test("prune needs a rule, counts before it acts, and prints what it did")
    func prune() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 100)
        #expect(try Command.run("prune", "--db", path).status == 64)
        #expect(try Command.run("prune", "--dry-run", "--db", path).status == 64)
        #expect(try Command.run("prune", "--never-answered", "--read-only", "--db", path).status == 64)
        let rule = ["prune", "--failing", "1", "--db", path, "--json"]
        let told = try Command.run(rule + ["--dry-run", "--read-only"])
        #expect(told.status == 0, "\(told.messages)")
        let done = try Command.run(rule)
        for result in [told, done] {
            let peers = try #require(result.json()["peers"] as? [String: Any])
            #expect(peers["pruned"] as? Int == 25 && peers["tombstonesLeft"] as? Int == 25)
        }
        #expect(try Command.run(rule).json()["tombstonesPruned"] as? Int == 0)
        let kept = try Command.run("prune", "--keep", "10", "--db", path)
        #expect(kept.messages.contains("Pruned 65 peers"))
        #expect(try Command.run("stats", "--json", "--db", path).json()["peers"] as? Int == 10)
    }

    @Test("prune and vacuum that are killed or interrupted leave a sound store, and go on")
    func killed() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4_000)
        for step in 0..<8 {
            let signal = step.isMultiple(of: 2) ? "KILL" : "INT"
            let command = step < 4 ? "vacuum" : "prune --never-answered"
            let result = try Command.shell(
                "timeout -s \(signal) \(0.03 + Double(step % 4) * 0.06) \"$KADSTORE\" \(command) --db a.db",
                folder: scratch.folder)
            #expect([0, 3, 124, 137].contains(result.status), "\(result.messages)")
            let check = try Command.run("check", "--full", "--db", path)
            #expect(check.status == 0, "\(check.output)\(check.messages)")
        }
        #expect(try Command.run("prune", "--never-answered", "--db", path).status == 0)
        #expect(try Command.run("stats", "--json", "--db", path).json()["peers"] as? Int == 2_000)
    }

    @Test("checkpoint says with 3 that a reader keeps the log")
    func checkpoint() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 10)
        let reader = try Connection(path: path, access: .readWrite)
        try reader.execute("BEGIN")
        _ = try reader.integer("SELECT count(*) FROM peer")
        let store = try await Store.open(path)
        try store.record(.heard(try store.peer(Samples.id(99)), addresses: [], source: nil, at: .systemClock()))
        try await store.flush()
        let held = try Command.run("checkpoint", "--json", "--db", path)
        #expect(held.status == 3)
        #expect(try held.json()["isLogEmpty"] as? Bool == false)
        try reader.execute("COMMIT")
        let free = try Command.run("checkpoint", "--json", "--db", path)
        #expect(free.status == 0)
        #expect(try free.json()["logBytes"] as? Int == 0)
        #expect(try Command.run("vacuum", "--json", "--db", path).json()["isLogEmpty"] as? Bool == true)
        try await store.close()
    }

    @Test("migrate upgrades after a backup, says what it would do, and that there is nothing to do")
    func migrate() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let sql = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/stores/V0001.sql")
        do {
            let connection = try Connection(path: path, access: .create)
            try connection.execute("PRAGMA journal_mode = WAL")
            try connection.execute(String(contentsOf: sql, encoding: .utf8))
        }
        let reading = try Command.run("stats", "--db", path)
        #expect(reading.status == 78 && reading.messages.contains("kadstore migrate"))
        let told = try Command.run("migrate", "--dry-run", "--db", path)
        #expect(told.status == 0 && told.messages.contains("would be upgraded"))
        let done = try Command.run("migrate", "--json", "--db", path)
        #expect(done.status == 0)
        #expect(FileManager.default.fileExists(atPath: try #require(done.json()["backup"] as? String)))
        let again = try Command.run("migrate", "--db", path)
        #expect(again.status == 0 && again.messages.contains("nothing to do"))
        #expect(try Command.run("check", "--full", "--db", path).status == 0)
        #expect(try Command.run("migrate", "--db", scratch.path("none.db")).status == 66)
    }

    @Test(
        "--wait takes seconds with decimals; --read-only keeps every writing command from writing",
        arguments: [
            ["init"], ["vacuum"], ["checkpoint"], ["forgive", "--all"], ["migrate"], ["import", "a.jsonl"],
            ["restore", "b.db"], ["prune", "--never-answered"],
        ])
    func options(command: [String]) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        try Data("x".utf8).write(to: URL(fileURLWithPath: scratch.path("a.jsonl")))
        let before = FileManager.default.contents(atPath: path)
        let result = try Command.run(command + ["--read-only", "--db", path], folder: scratch.folder)
        #expect(result.status == 64 && result.messages.contains("--read-only"), "\(result.messages)")
        #expect(FileManager.default.contents(atPath: path) == before)
        for wait in ["x", "-1", "1.2345", "", ".5", "1."] {
            #expect(try Command.run(["stats", "--wait", wait, "--db", path]).status == 64)
        }
        #expect(try Command.run("stats", "--wait", "0.25", "--db", path).status == 0)
    }

    @Test("--wait 0 does not wait, and says so")
    func wait() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 3)
        let lock = try WriteLock(database: path)
        try lock.withLock(waitMilliseconds: 0) {
            for wait in ["0", "0.05"] {
                let result = try Command.run("vacuum", "--wait", wait, "--db", path)
                #expect(result.status == 75)
                #expect(result.messages.contains("waited \(wait == "0" ? 0 : 50) ms"), "\(result.messages)")
            }
        }
    }
}
