import Foundation
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadStore

#if canImport(Glibc)
import Glibc
#endif

/// Runs of every command that prints JSON, on stores that hold something of everything.
enum JSONSamples {
    struct Run: Sendable {
        /// Besides the command's name and `--json`.
        var arguments: [String]
        /// The exit statuses that are right.
        var status: Set<Int32> = [0]
        /// What happens to `peers.db` while it runs, once it has said something. It is told to end when it has said more.
        var meanwhile: (@Sendable (_ path: String) async throws -> Void)?
        /// Starts the nodes that it asks; gives more arguments.
        var asking: (@Sendable (Nodes) async throws -> [String])?
        /// Whether it goes on until it is told to end, once it has said that it is ready.
        var isNode = false

        init(
            _ arguments: String..., status: Set<Int32> = [0],
            meanwhile: (@Sendable (_ path: String) async throws -> Void)? = nil
        ) {
            self.arguments = arguments
            self.status = status
            self.meanwhile = meanwhile
        }
    }

    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/peers").path

    private static func peer(_ number: Int) -> String { (try? Samples.text(Samples.id(number))) ?? "" }

    /// By command; each runs in a folder with `peers.db` (see ``fill(_:)``), the empty `empty.db`, `damaged.db`, `broken.db` whose
    /// log is damaged, `old.db` of schema 1, and `good.txt`, `bad.txt`, `bad.dat` and `bad.peerstore` to import.
    static let runs: [String: [Run]] = [
        "backup": [Run("b.db"), Run("--db", "damaged.db", "--damaged", "d.db", status: [3])],
        "buckets": [Run(), Run("--near", "x"), Run("--db", "empty.db")],
        "check": [Run(), Run("--full"), Run("--db", "damaged.db", status: [1]), Run("--db", "broken.db")],
        "checkpoint": [Run()],
        "convert": [
            Run("whole.jsonl", "good.txt", "out.csv", "--to", "csv", "--scope", "private"),
            Run(
                "bad.txt", "bad.peerstore", "good.txt", "-", "--to", "multiaddrs", "--scope", "private", "--dry-run",
                status: [3]),
            Run("bad.dat", "out.dat", "--to", "transmission", "--scope", "private", status: [3]),
            Run("odd.dat", "out.dat", "--to", "libtorrent", "--scope", "private", status: [65]),
        ],
        "crawl": [
            asking { nodes, more in
                // One that is gone, and whom the others know.
                let gone = try await nodes.start("gone.db", bootstrap: [])
                try await nodes.stop(gone, by: SIGKILL)
                return more + [gone.address]
            }
        ],
        "diff": [
            Run("peers.db", "whole.jsonl"), Run("peers.db", "empty.db", status: [1]),
            Run("good.txt", "peers.db", "--limit", "1", status: [1]),
            Run("moved.txt", "good.txt", status: [1]), Run("bad.txt", "bad.peerstore", status: [65]),
            Run("bad.dat", "odd.dat", status: [65]),
        ],
        "explain": (0..<9).map { Run(peer($0)) },
        "forgive": [Run(peer(3)), Run("--all")],
        "get": [
            asking("/test/x", "--accept", "test", status: [1]),
            asking("/test/x", "--accept", "test", before: put),
        ],
        "import": [
            Run("--db", "new.db", "--scope", "private", "good.txt"), Run("--scope", "private", "good.txt"),
            Run("bad.txt", "none.txt", "\(fixtures)/libtorrent-session-params.dat", "--scope", "private", status: [3]),
            Run("--db", "new2.db", "--dry-run", "\(fixtures)/libtorrent-session-params.dat", status: [0, 3, 65]),
            Run("--db", "lt.db", "--scope", "public", "bad.dat", status: [0, 3, 65]),
            Run("--db", "cut.db", "--scope", "private", "cut.jsonl", status: [0, 3, 65]),
            Run("--db", "copy.db", "--restore", "whole.jsonl"),
            Run("--db", "py.db", "--scope", "private", "bad.peerstore", status: [3]),
        ],
        "migrate": [
            Run("--db", "old.db", "--dry-run"), Run("--db", "old.db"), Run("--db", "old.db"),
        ],
        "lookup": [
            asking("hello"), asking("12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"),
            Run("hello", "--db", "none-known.db", status: [1]),
        ],
        "nearest": [Run("x"), Run("x", "--answered", "--count", "3"), Run("0x3f"), Run(peer(5))],
        "node": [nodeRun],
        "peers": [Run(), Run(peer(0)), Run(peer(3)), Run("--limit", "2"), Run("--db", "empty.db")],
        "provide": [
            asking("hello") { nodes, more in more + identity(nodes) }
        ],
        "providers": [
            asking("hello", before: provide)
        ],
        "put": [asking("/test/x", "a", "--accept", "test")],
        "prune": [
            Run("--never-answered", "--dry-run"), Run("--failing", "1", "--candidates", "0s", "--tombstones", "0s"),
            Run("--expired"), Run("--db", "damaged.db", "--standing", "failing"),
        ],
        "restore": [Run("--force", "empty.db"), Run("--db", "new.db", "old.db")],
        "salvage": [
            Run(), Run("--db", "damaged.db", "--output", "saved.db", status: [3]),
            Run("--db", "damaged.db", "--dry-run", status: [3]),
        ],
        "simulate": [
            Run("--list"),
            Run("lookups", "--nodes", "100", "--lookups", "2", "--seeds", "1", "--dead", "50", "--earlier", "2"),
        ],
        "stats": [Run(), Run("--db", "empty.db")],
        "vacuum": [Run()],
        "warm": [Run("--dry-run"), Run("--dry-run", "--near", "x", "--limit", "3")],
        "watch": [
            Run("--count", "2", "--interval", "100ms", "--db", "empty.db"),
            Run("--interval", "100ms", meanwhile: work), Run("--interval", "500ms", meanwhile: replace),
        ],
    ]

    /// Two nodes, one of which takes values of its own namespace.
    @Sendable private static func network(_ nodes: Nodes) async throws -> [String] {
        let first = try await nodes.start("0.db")
        let second = try await nodes.start("1.db", bootstrap: [first], accepting: nil)
        _ = try await Nodes.event("ready", of: second.process)
        #expect(try await nodes.run("init", "--db", "net.db", "--scope", "private").status == 0)
        return ["--db", nodes.scratch.path("net.db"), "--log-level", "debug", "--bootstrap", first.address]
    }

    private static func asking(
        _ arguments: String..., status: Set<Int32> = [0],
        before: @escaping @Sendable (Nodes, _ more: [String]) async throws -> [String] = { $1 }
    ) -> Run {
        var run = Run()
        run.arguments = arguments
        run.status = status
        run.asking = { nodes in try await before(nodes, try await network(nodes)) }
        return run
    }

    @Sendable private static func put(_ nodes: Nodes, _ more: [String]) async throws -> [String] {
        #expect(try await nodes.run(["put", "/test/x", "a", "--accept", "test"] + more).status == 0)
        return more
    }

    @Sendable private static func provide(_ nodes: Nodes, _ more: [String]) async throws -> [String] {
        #expect(try await nodes.run(["provide", "hello"] + identity(nodes) + more).status == 0)
        return more
    }

    /// Of the second of two nodes.
    private static func identity(_ nodes: Nodes) -> [String] {
        ["--identity", nodes.scratch.path("1.db.identity"), "--address", "/ip4/127.0.0.1/tcp/1"]
    }

    private static let nodeRun: Run = {
        var run = Run("--db", "n.db", "--scope", "private", "--listen", "/ip4/127.0.0.1/tcp/0", "--metrics", "0")
        run.isNode = true
        return run
    }()

    static func isOfNetwork(_ command: String) -> Bool {
        runs[command]?.contains { $0.asking != nil || $0.isNode } == true
    }

    /// Members that no run can be made to print with a value, and why.
    static let unseen: [String: Set<String>] = [
        // Of the tables of nodes; only `buckets --near` counts the peers around a key.
        "watch": ["table.buckets.known"],
        // Nobody refuses a provider but for a flood of them.
        "provide": ["failed.id", "failed.class"],
    ]

    /// Runs one, from outside as a script does.
    static func result(_ command: String, _ run: Run, _ scratch: Scratch) async throws -> Command.Result {
        let nodes = Nodes()
        let more = try await run.asking?(nodes) ?? []
        let running = try Command.start([command, "--json"] + run.arguments + more, folder: scratch.folder)
        if let meanwhile = run.meanwhile {
            try await untilSaid(1, by: running)
            try await meanwhile(scratch.path("peers.db"))
            try await untilSaid(2 + running.output.count(where: { $0 == "\n" }), by: running)
            kill(running.identifier, SIGTERM)
        }
        if run.isNode {
            _ = try await Nodes.event("ready", of: running)
            kill(running.identifier, SIGTERM)
        }
        return try await Nodes.waiting(for: running)
    }

    private static func untilSaid(_ lines: Int, by process: Command.Running) async throws {
        while process.isRunning, try process.output.count(where: { $0 == "\n" }) < lines { try await Nodes.pause() }
    }

    /// A node at work: peers answer and fail.
    @Sendable private static func work(_ path: String) async throws {
        let store = try await Store.open(path)
        for round in 0..<15 {
            let now = Instant.systemClock()
            try store.record(.answered(store.peer(Samples.id(0)), address: nil, rtt: 1_000, at: now))
            try store.record(.failed(store.peer(Samples.id(3)), address: nil, round < 8 ? .timeout : .refused, at: now))
            try await store.flush()
            try await Task.sleep(for: .milliseconds(100))
        }
        try await store.close()
    }

    /// The file goes, rubbish takes its place, then another store.
    @Sendable private static func replace(_ path: String) async throws {
        try await Task.sleep(for: .milliseconds(700))
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try Data("This is a letter, not a database.".utf8).write(to: URL(fileURLWithPath: path))
        try await Task.sleep(for: .milliseconds(900))
        try FileManager.default.removeItem(atPath: path)
        try await Samples.fill(path, count: 5)
    }

    // MARK: Stores

    static func fill(_ scratch: Scratch) async throws {
        let path = scratch.path("peers.db")
        let peers = try await Samples.fill(path, count: 60)
        _ = try await Samples.addIdentity(path, Array(peers.prefix(40)))
        try await addRarities(path, peers)
        #expect(try Command.run("init", "--db", scratch.path("empty.db")).status == 0)
        #expect(try Command.run("init", "--db", scratch.path("none-known.db")).status == 0)
        #expect(try Command.run("export", "--db", path, scratch.path("whole.jsonl")).status == 0)
        try await Samples.fill(scratch.path("damaged.db"), count: 5)
        try Connection(path: scratch.path("damaged.db"), access: .readWrite).execute(
            "UPDATE peer SET successes = -1, seal = NULL WHERE key = (SELECT min(key) FROM peer)")
        try await breakLog(scratch.path("broken.db"), besides: scratch.path("sound.db"))
        let good = (100..<104).map { "/ip4/10.0.0.\($0)/tcp/4001/p2p/\(peer($0))\n" }
        try Data(good.joined().utf8).write(to: URL(fileURLWithPath: scratch.path("good.txt")))
        try Data((good[0] + "rubbish\n").utf8).write(to: URL(fileURLWithPath: scratch.path("bad.txt")))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixtures + "/libtorrent-session-params.dat"))
        bytes.removeLast(40)
        try bytes.write(to: URL(fileURLWithPath: scratch.path("bad.dat")))
        var whole = try Data(contentsOf: URL(fileURLWithPath: scratch.path("whole.jsonl")))
        whole.removeLast(whole.count / 2)
        try whole.write(to: URL(fileURLWithPath: scratch.path("cut.jsonl")))
        try Data(good[0].replacing("tcp/4001", with: "tcp/4002").utf8)
            .write(to: URL(fileURLWithPath: scratch.path("moved.txt")))
        // One endpoint is of a length that none has.
        try Data("d2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes7:seven..6:nodes618:\u{1}234567890123456..e".utf8)
            .write(to: URL(fileURLWithPath: scratch.path("odd.dat")))
        let old = URL(fileURLWithPath: fixtures).deletingLastPathComponent().appendingPathComponent("stores/V0001.sql")
        try Connection(path: scratch.path("old.db"), access: .create).execute(String(contentsOf: old, encoding: .utf8))
        // A peerstore of py-libp2p with a record that cannot be read, and one that can: without addresses.
        try Connection(path: scratch.path("bad.peerstore"), access: .create).execute(
            """
            CREATE TABLE datastore (key BLOB PRIMARY KEY, value BLOB NOT NULL);
            INSERT INTO datastore VALUES (CAST('addr:' || x'00' AS BLOB), x'ff');
            INSERT INTO datastore VALUES (x'616464723a\(Hex.encode(Samples.id(3).bytes))', x'');
            """)
    }

    /// What nodes seldom leave: each of peers 4 to 8 has a fact of its own to explain.
    private static func addRarities(_ path: String, _ peers: [Peer]) async throws {
        let store = try await Store.open(path)
        let now = Instant.systemClock()
        let before = now.advanced(byMilliseconds: -60_000)
        try store.record(.held(OutageGuard.Held(key: peers[4].key, group: nil, failureClass: .timeout, at: before)))
        try store.record(
            .backoff(
                peers[5],
                BackoffState(
                    streakMilli: 2_000, streakAt: before, lastClass: .refused, notBefore: before,
                    waitMilliseconds: 1_000, outcomes: 0b11, outcomeCount: 2, breaker: .halfOpen, openings: 2,
                    openedAt: before, trials: 1)))
        try store.record(.forgotten(peers[6], leaving: nil))
        try store.record(.heard(peers[6], addresses: [], source: "sample", at: now))
        try store.record(.failed(peers[8], address: Samples.address(8), .identityMismatch, at: now))
        try store.record(.candidateHeard(Samples.address(5_000), source: "sample", at: now))
        try store.record(.candidateTried(Samples.address(5_000), at: now))
        try store.record(
            .forgotten(
                peers[59],
                leaving: Tombstone(
                    key: peers[59].key, droppedAt: now, streakMilli: 1_000, lastClass: .timeout, notBefore: nil,
                    waitMilliseconds: 0)))
        try store.record(.online(from: before, to: now))
        let identity = try #require(store.identities().first)
        var bucket = try #require(store.buckets(of: identity).first)
        bucket.refreshedAt = now
        try store.record(.bucket(bucket, identity: identity.number))
        try store.record(
            .lookedUp(
                LookupSummary(
                    finishedAt: now, reason: .complete, milliseconds: 900, queries: 30, answers: 28, failures: 2,
                    timeouts: 1, skipped: 3, hops: 4)))
        try await Samples.addValues(store, peers[0])
        try await store.close()
    }

    /// A store as a killed process leaves it, and then a byte of the first page in its log changes.
    private static func breakLog(_ path: String, besides other: String) async throws {
        try await Samples.fill(other, count: 5)
        let store = try await Store.open(other)
        for number in 0..<3 {
            let peer = try store.peer(Samples.id(900 + number))
            try store.record(.heard(peer, addresses: [], source: nil, at: .systemClock()))
            try await store.flush()
        }
        for end in ["", "-wal"] { try FileManager.default.copyItem(atPath: other + end, toPath: path + end) }
        try await store.close()
        var log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
        log[200] ^= 1
        try log.write(to: URL(fileURLWithPath: path + "-wal"))
    }
}
