import Foundation
import Testing

@testable import KadStore

@Suite("kadstore salvage")
struct SalvageCommandTests {
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    private func zero(_ page: Int, of path: String) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: UInt64((page - 1) * 4_096))
        try handle.write(contentsOf: Data(repeating: 0, count: 4_096))
        try handle.close()
    }

    private func rootOfPeers(_ path: String) throws -> Int {
        let connection = try Connection(path: path, access: .readOnly)
        return Int(try connection.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'peer'"))
    }

    @Test("of a sound database says so; of a damaged one says what was saved, and where the rest is")
    func salvages() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 500)
        let sound = try Command.run("salvage", "--db", "a.db", folder: scratch.folder)
        #expect(sound.status == 0 && sound.messages.contains("Sound") && sound.output.isEmpty)

        try zero(try rootOfPeers(path), of: path)
        let damaged = try Data(contentsOf: URL(fileURLWithPath: path))
        for command in [["stats"], ["export", "-"]] {
            let result = try Command.run(command + ["--db", "a.db"], folder: scratch.folder)
            #expect(result.status == 65 && result.messages.contains("kadstore salvage"), "\(result.messages)")
        }
        let dry = try Command.run("salvage", "--dry-run", "--json", "--db", "a.db", folder: scratch.folder)
        #expect(dry.status == 3)
        #expect(try dry.json()["outcome"] as? String == "salvageable")
        // Inner pages of a table without row numbers carry rows too: those of the root are lost.
        let saved = try #require(try dry.json()["peers"] as? Int)
        #expect((450..<500).contains(saved))
        let aside = try Command.run(
            "salvage", "--output", "b.db", "--reject-file", "lost.jsonl", "--db", "a.db", folder: scratch.folder)
        #expect(aside.status == 3, "\(aside.messages)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == damaged)
        #expect(FileManager.default.fileExists(atPath: scratch.path("lost.jsonl")))
        #expect(try Command.run("check", "--full", "--db", "b.db", folder: scratch.folder).status == 0)
        #expect(try Command.run("salvage", "--output", "b.db", "--db", "a.db", folder: scratch.folder).status == 73)

        let done = try Command.run("salvage", "--db", "a.db", folder: scratch.folder)
        #expect(done.status == 3 && done.messages.contains("a.db.corrupt-"), "\(done.messages)")
        #expect(try Command.run("check", "--full", "--db", "a.db", folder: scratch.folder).status == 0)
        let stats = try Command.run("stats", "--json", "--db", "a.db", folder: scratch.folder).json()
        #expect(stats["peers"] as? Int == saved)
        let kept = try FileManager.default.contentsOfDirectory(atPath: scratch.folder).filter { $0.contains("corrupt") }
        #expect(kept.count == 1)
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path(kept.first ?? ""))) == damaged)
        #expect(try Command.run("salvage", "--db", "a.db", folder: scratch.folder).status == 0)
    }

    @Test("of what is no store, or is open elsewhere, is refused")
    func refused() async throws {
        let scratch = Scratch()
        try Data("not a database".utf8).write(to: URL(fileURLWithPath: scratch.path("a.db")))
        #expect(try Command.run("salvage", "--db", "a.db", folder: scratch.folder).status == 65)
        #expect(try Command.run("salvage", "--db", "none.db", folder: scratch.folder).status == 66)
        try await Samples.fill(scratch.path("b.db"), count: 200)
        // Before it is opened: closing the file in this way would drop the locks of this process.
        try zero(try rootOfPeers(scratch.path("b.db")), of: scratch.path("b.db"))
        let store = try await Store.open(scratch.path("b.db"))
        _ = try store.peerCount()
        let busy = try Command.run("salvage", "--wait", "0.1", "--db", "b.db", folder: scratch.folder)
        #expect(busy.status == 75 && busy.messages.contains("\(getpid())"), "\(busy.messages)")
        try? await store.close()
    }

    @Test("that is killed at any moment leaves the damaged database or the result, and the damaged bytes somewhere")
    func killed() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("whole.db"), count: 3_000)
        try zero(try rootOfPeers(scratch.path("whole.db")), of: scratch.path("whole.db"))
        let damaged = try Data(contentsOf: URL(fileURLWithPath: scratch.path("whole.db")))
        let dry = try Command.run("salvage", "--dry-run", "--json", "--db", "whole.db", folder: scratch.folder).json()
        let saved = try #require(dry["peers"] as? Int)
        #expect((2_900..<3_000).contains(saved))
        let rounds = Self.isThorough ? 120 : 8
        var unfinished = 0
        for round in 0..<rounds {
            let after = 0.02 + 1.5 * Double(round) / Double(rounds)
            let result = try Command.shell(
                """
                rm -rf run && mkdir run && cp whole.db run/a.db
                timeout -s KILL \(after) "$KADSTORE" salvage --db run/a.db
                """, folder: scratch.folder)
            if result.status == 137 { unfinished += 1 }
            let kept = try FileManager.default.contentsOfDirectory(atPath: scratch.path("run"))
                .filter { $0.contains("corrupt") }
            let places = [scratch.path("run/a.db")] + kept.map { scratch.path("run/\($0)") }
            let hasDamaged = try places.contains { try Data(contentsOf: URL(fileURLWithPath: $0)) == damaged }
            #expect(hasDamaged, "round \(round): the damaged bytes are gone")
            let again = try Command.run("salvage", "--db", "run/a.db", folder: scratch.folder)
            #expect([0, 3].contains(again.status), "round \(round): \(again.messages)")
            let stats = try Command.run("stats", "--json", "--db", "run/a.db", folder: scratch.folder)
            #expect(try stats.json()["peers"] as? Int == saved, "round \(round)")
        }
        #expect(unfinished > 0)
    }
}
