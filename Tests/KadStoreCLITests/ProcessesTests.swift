import Dispatch
import Foundation
import KadStore
import Kademlia
import Multiformats
import Synchronization
import Testing

@Suite("Several processes")
struct ProcessesTests {
    /// A multiaddr list of peers that no other number makes.
    private func list(_ number: Int, count: Int) throws -> String {
        var generator = SeededGenerator(seed: UInt64(number))
        let lines = try (0..<count).map { index in
            let id = try #require(PeerID([0, 36, 8, 1, 18, 32] + Key.random(using: &generator).bytes()))
            return "/ip4/10.\(number).\(index >> 8).\(index & 255)/tcp/4001/p2p/\(PeerIDEncoding.libp2p.encode(id))\n"
        }
        return lines.joined()
    }

    @Test("that meet at one new file make one store of it, and lose nothing that any of them writes")
    func oneNewFile() async throws {
        for round in 0..<3 {
            let scratch = Scratch()
            for number in 1...6 {
                try Data(list(number, count: 500).utf8).write(to: URL(fileURLWithPath: scratch.path("\(number).txt")))
            }
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 12) { index in
                let arguments = index.isMultiple(of: 2) ? ["import", "\(index / 2 + 1).txt"] : ["init"]
                let result = try? Command.run(
                    arguments + ["--db", "peers.db", "--scope", "private"], folder: scratch.folder)
                if result?.status != 0 { failures.withLock { $0.append(result?.messages ?? "did not run") } }
            }
            #expect(failures.withLock { $0 } == [], "round \(round)")
            let store = try await Store.open(scratch.path("peers.db"))
            #expect(try await store.statistics().peers == 3_000)
            #expect(try await store.check(full: true).problems == [])
            try await store.close()
        }
    }

    @Test("an import that is killed leaves a sound store, and the same import completes it")
    func killed() async throws {
        let scratch = Scratch()
        let count = 40_000
        try Data(list(7, count: count).utf8).write(to: URL(fileURLWithPath: scratch.path("list.txt")))
        for delay in ["0.3", "0.8", "1.3", "1.8"] {
            _ = try Command.shell(
                "timeout -s KILL \(delay) \"$KADSTORE\" import --db peers.db --scope private list.txt",
                folder: scratch.folder)
            let check = try Command.run("check", "--full", "--db", scratch.path("peers.db"))
            // Killed before the store was there, or with a sound one.
            #expect(check.status == 0 || check.status == 66 || check.status == 65, "\(check.messages)")
            if check.status == 65 { #expect(check.messages.contains("empty database"), "\(check.messages)") }
        }
        let again = try Command.run(
            "import", "--db", scratch.path("peers.db"), "--scope", "private", scratch.path("list.txt"))
        #expect(again.status == 0, "\(again.messages)")
        let store = try await Store.open(scratch.path("peers.db"))
        #expect(try await store.statistics().peers == count)
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }
}
