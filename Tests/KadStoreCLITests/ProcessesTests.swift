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

    /// `KADSTORE_THOROUGH=1` runs the long form.
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    @Test("that write, read and tidy one store at once: what any was told is done is there, and is counted once")
    func together() async throws {
        let scratch = Scratch()
        let (importers, rounds) = (3, Self.isThorough ? 60 : 3)
        for number in 0..<importers * rounds {
            try Data(list(number + 1, count: 40).utf8).write(to: URL(fileURLWithPath: scratch.path("\(number).txt")))
        }
        // A node's part is played by this process.
        let store = try await Store.open(scratch.path("peers.db"), mode: .create(.libp2p, .private))
        let peers = try (0..<8).map {
            try store.peer(#require(PeerID([0, 36, 8, 1, 18, 32] + Array(repeating: UInt8($0), count: 32))))
        }
        let answers = Mutex([Int](repeating: 0, count: peers.count))
        let isDone = Mutex(false)
        let failures = Mutex<[String]>([])
        let others = [
            ["check"], ["vacuum"], ["checkpoint"], ["forgive", "--all"], ["export", "out.json"],
            ["backup", "--force", "copy.db"], ["prune", "--failing", "30"], ["stats"],
        ]
        @Sendable func command(_ arguments: [String]) {
            let all = arguments + ["--db", "peers.db", "--wait", "600"]
            let result = try? Command.run(all, folder: scratch.folder)
            // Who tidies waits for no reader: it says that the log could not be emptied.
            let isTidying = ["vacuum", "checkpoint"].contains(arguments.first)
            if result?.status != 0, !isTidying || result?.status != 3 {
                failures.withLock { $0.append("\(arguments): \(result?.messages ?? "did not run")") }
            }
        }
        let node = Task.detached {
            while !isDone.withLock({ $0 }) {
                for (index, peer) in peers.enumerated() {
                    try store.record(.answered(peer, address: nil, rtt: nil, at: Instant.systemClock()))
                    answers.withLock { $0[index] += 1 }
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            DispatchQueue.global().async {
                DispatchQueue.concurrentPerform(iterations: importers + 2) { index in
                    if index < importers {
                        for round in 0..<rounds { command(["import", "\(round * importers + index).txt"]) }
                    } else {
                        for round in 0..<rounds * 2 { command(others[(round * 2 + index - importers) % others.count]) }
                    }
                }
                done.resume()
            }
        }
        isDone.withLock { $0 = true }
        try await node.value
        #expect(failures.withLock { $0 } == [])
        #expect(store.foreignCommits() > 0)
        try await store.flush()
        #expect(try store.countPeers() == importers * rounds * 40 + peers.count)
        #expect(try store.peerCount() == importers * rounds * 40 + peers.count)
        for (peer, count) in zip(peers, answers.withLock { $0 }) {
            #expect(try store.record(of: peer.key)?.successes == count)
        }
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }

    #if os(Linux)
    /// Of the processes that have a file's lock for writing, by the system's table.
    private func holders(_ path: String) throws -> [Int32] {
        let inode = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        let table = try String(contentsOfFile: "/proc/locks", encoding: .utf8)
        return table.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 5, fields[1] == "FLOCK",
                fields[5].split(separator: ":").last.map(String.init) == "\(inode ?? 0)"
            else { return nil }
            return Int32(fields[4])
        }
    }

    @Test(
        "one of which is stopped while it writes: the others wait no longer than they were told, name it, and go on without it"
    )
    func stopped() async throws {
        let scratch = Scratch()
        try Data(list(1, count: 40).utf8).write(to: URL(fileURLWithPath: scratch.path("small.txt")))
        try await Store.open(scratch.path("peers.db"), mode: .create(.libp2p, .private)).close()
        var stopped: Command.Running?
        for number in 2...40 where stopped == nil {
            try Data(list(number, count: 30_000).utf8).write(to: URL(fileURLWithPath: scratch.path("large.txt")))
            let running = try Command.start(["import", "--db", "peers.db", "large.txt"], folder: scratch.folder)
            while running.isRunning {
                guard try holders(scratch.path("peers.db-lock")).contains(running.identifier) else { continue }
                kill(running.identifier, SIGSTOP)
                // It may have been quicker.
                try await Task.sleep(for: .milliseconds(50))
                if try holders(scratch.path("peers.db-lock")).contains(running.identifier) {
                    stopped = running
                    break
                }
                kill(running.identifier, SIGCONT)
            }
        }
        let holder = try #require(stopped)
        // Should what follows fail, the process must not stay.
        defer { kill(holder.identifier, SIGKILL) }
        // The system's table of locks may miss an entry while others change it.
        var names = false
        for _ in 0..<20 where !names {
            let refused = try Command.run(
                "import", "--db", scratch.path("peers.db"), "--wait", "0.3", scratch.path("small.txt"))
            #expect(refused.status == 75, "\(refused.messages)")
            names = refused.messages.contains("(process \(holder.identifier))")
        }
        #expect(names)
        // Reading waits for nobody.
        #expect(try Command.run("peers", "--db", scratch.path("peers.db")).status == 0)
        kill(holder.identifier, SIGKILL)
        #expect(try holder.wait().isSignalled)
        let taken = try Command.run("import", "--db", scratch.path("peers.db"), scratch.path("small.txt"))
        #expect(taken.status == 0, "\(taken.messages)")
        let store = try await Store.open(scratch.path("peers.db"))
        #expect(try store.countPeers() >= 40)
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }
    #endif
}
