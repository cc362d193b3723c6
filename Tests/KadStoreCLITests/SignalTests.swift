import Foundation
import KadStore
import Kademlia
import Multiformats
import Testing

@Suite("Signals")
struct SignalTests {
    /// A list of as many peers as make an import take a while.
    private func writeList(_ path: String, count: Int) throws {
        var generator = SeededGenerator(seed: 11)
        var text = ""
        for index in 0..<count {
            let id = try #require(PeerID([0, 36, 8, 1, 18, 32] + Key.random(using: &generator).bytes()))
            text += "/ip4/10.1.\(index >> 8 & 255).\(index & 255)/tcp/4001/p2p/\(PeerIDEncoding.libp2p.encode(id))\n"
        }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    @Test("an import that is interrupted while it writes says how far it is; run again, it is as if it never was")
    func resuming() throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 60_000)
        // Interrupted as soon as the log shows that a batch is committed.
        let interrupted = try Command.shell(
            """
            "$KADSTORE" init --db a.db --scope private 2> /dev/null
            "$KADSTORE" import --db a.db --no-history list.txt & command=$!
            while [ "$(stat -c %s a.db-wal 2> /dev/null || echo 0)" -lt 500000 ] && kill -0 $command 2> /dev/null
            do sleep 0.01; done
            kill -INT $command
            wait $command
            """, folder: scratch.folder)
        #expect(interrupted.status == 3, "\(interrupted.messages)")
        #expect(interrupted.messages.contains("of 60000 records") || interrupted.messages.contains("of 60,000 records"))
        #expect(interrupted.messages.contains("Run the same command again"))
        let check = try Command.run("check", "--full", "--db", scratch.path("a.db"))
        #expect(check.status == 0, "\(check.messages)")
        let half = try #require(
            try Command.run("stats", "--db", scratch.path("a.db"), "--json").json()["peers"] as? Int)
        #expect(half > 0 && half < 60_000)
        #expect(
            try Command.run("import", "--db", "a.db", "--no-history", "list.txt", folder: scratch.folder).status == 0)
        let whole = try Command.run(
            "import", "--db", "b.db", "--scope", "private", "--no-history", "list.txt", folder: scratch.folder)
        #expect(whole.status == 0, "\(whole.messages)")
        // Times are those of the import: everything else is the same, byte for byte.
        let exports = try ["a.db", "b.db"].map { name in
            try Command.run("export", "--db", name, "--format", "multiaddrs", folder: scratch.folder).output
        }
        #expect(exports[0] == exports[1] && exports[0].utf8.count > 60_000)
        #expect(
            try Command.run(
                "diff", "a.db", "b.db", "--ignore", "first-seen,last-seen,address-seen", folder: scratch.folder
            ).status == 0)
    }

    @Test("an import that waits for a silent pipe ends at the first signal", .timeLimit(.minutes(15)))
    func silentPipe() throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 9_000)
        // Writing ends when all but what a pipe holds has been read.
        let result = try Command.shell(
            """
            mkfifo pipe
            "$KADSTORE" import --db a.db --scope private - < pipe & command=$!
            exec 3> pipe
            cat list.txt >&3
            kill -INT $command
            wait $command
            """, folder: scratch.folder)
        #expect(result.status == 3, "\(result.messages)")
        #expect(result.messages.contains("standard input was still being read"))
        #expect(!FileManager.default.fileExists(atPath: scratch.path("a.db")))
    }

    @Test("an interrupted conversion leaves nothing, but for what was rejected", arguments: ["INT", "TERM"])
    func conversion(signal: String) throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 9_000)
        let result = try Command.shell(
            """
            mkfifo pipe
            "$KADSTORE" convert - out.csv --to csv --scope private --reject-file bad.jsonl < pipe & command=$!
            exec 3> pipe
            echo /ip4/999 >&3
            cat list.txt >&3
            kill -\(signal) $command
            trap '' PIPE
            cat list.txt >&3 2> /dev/null
            exec 3>&-
            wait $command
            """, folder: scratch.folder)
        // The first line has to be one that is recognised.
        #expect(result.status == 3, "\(result.messages)")
        #expect(result.messages.contains("nothing was written"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder).sorted()
        #expect(names == ["bad.jsonl", "list.txt", "pipe"])
        #expect(try String(contentsOfFile: scratch.path("bad.jsonl"), encoding: .utf8).contains("/ip4/999"))
    }

    @Test(
        "a reader that goes ends the command silently, and leaves nothing locked",
        arguments: ["export", "convert", "diff"])
    func brokenPipe(command: String) async throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 6_000)
        #expect(
            try Command.run("import", "--db", "a.db", "--scope", "private", "list.txt", folder: scratch.folder).status
                == 0)
        try Data("/ip4/10.9.9.9/tcp/1\n".utf8).write(to: URL(fileURLWithPath: scratch.path("other.txt")))
        let arguments =
            switch command {
            case "export": "export --db a.db --format csv"
            case "convert": "convert list.txt - --to csv --scope private"
            default: "diff a.db other.txt"
            }
        let result = try Command.shell(
            "{ \"$KADSTORE\" \(arguments) 2> err; echo $? > status; } | head -n 2", folder: scratch.folder)
        #expect(result.lines.count == 2)
        let messages = try String(contentsOfFile: scratch.path("err"), encoding: .utf8)
        #expect(!messages.contains("kadstore:"), "\(messages)")
        #expect(try String(contentsOfFile: scratch.path("status"), encoding: .utf8) == "141\n")
        #expect(
            try Command.run("import", "--db", "a.db", "list.txt", folder: scratch.folder).status == 0)
    }

    @Test("one signal ends a command whose pipe stalls: nobody writes it, or it is held open, or nobody reads it")
    func stalledPipes() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 2_000)
        // A command that does not heed the signal is killed, which its status shows.
        let result = try Command.shell(
            """
            mkfifo unopened silent full
            sleep 300 > silent & others=$!
            sleep 300 < full & others="$others $!"
            for pipe in unopened silent; do
                "$KADSTORE" import --db b.db $pipe & commands="$commands $!"
                "$KADSTORE" import --restore --db b.db $pipe & commands="$commands $!"
                "$KADSTORE" diff a.db $pipe & commands="$commands $!"
                "$KADSTORE" convert --to csv $pipe out.csv & commands="$commands $!"
            done
            "$KADSTORE" export --db a.db > full & commands="$commands $!"
            # Whoever heeds the signal shows it among those that are caught, which the kernel tells on Linux.
            for command in $commands; do
                while [ -e /proc/$command/status ] && ! grep -q '^SigCgt.*[4-7c-f]...$' /proc/$command/status
                do sleep 0.05; done
            done
            sleep 1
            kill -TERM $commands
            { for second in $(seq 200); do sleep 1; done; kill -KILL $commands; } > /dev/null 2>&1 & guard=$!
            for command in $commands; do
                wait $command
                echo $?
            done
            kill $guard $others
            ls -A
            """, folder: scratch.folder)
        let files = ["a.db", "a.db-lock", "full", "silent", "unopened"]
        #expect(result.lines.map(String.init) == Array(repeating: "3", count: 9) + files, "\(result.messages)")
        #expect(result.messages.contains("unopened was still being read"))
    }

    @Test("a closed terminal leaves no temporary file; under nohup nobody hears of it")
    func hangUp() throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 9_000)
        let result = try Command.shell(
            """
            mkfifo pipe
            "$KADSTORE" convert - out.csv --to csv --scope private --reject-file bad.jsonl < pipe & command=$!
            exec 3> pipe
            cat list.txt >&3
            kill -HUP $command
            trap '' PIPE
            exec 3>&-
            wait $command
            echo $?
            ls -A
            trap '' HUP
            "$KADSTORE" convert - out.csv --to csv --scope private < pipe & command=$!
            exec 3> pipe
            cat list.txt >&3
            kill -HUP $command
            exec 3>&-
            wait $command
            echo $?
            """, folder: scratch.folder)
        #expect(result.lines == ["3", "bad.jsonl", "list.txt", "pipe", "0"], "\(result.messages)")
    }

    @Test("an export whose reader stalls pins nothing: a writer commits, and empties the log")
    func stalledReader() async throws {
        let scratch = Scratch()
        try writeList(scratch.path("list.txt"), count: 20_000)
        #expect(
            try Command.run("import", "--db", "a.db", "--scope", "private", "list.txt", folder: scratch.folder).status
                == 0)
        // The pipe is full long before the export is done; its reader reads one line, and then waits for the writer.
        let result = try Command.shell(
            """
            mkfifo pipe go
            "$KADSTORE" export --db a.db --format csv > pipe 2> err & export=$!
            exec 4< pipe
            head -c 100 <&4 > /dev/null
            sleep 0.5
            "$KADSTORE" import --db a.db --as-source again --no-history list.txt 2> import.err
            echo $? > import
            stat -c %s a.db-wal > log
            kill -0 $export && echo stalled > state
            exec 4<&-
            wait $export
            echo $? > status
            "$KADSTORE" check --full --db a.db > /dev/null 2>&1
            echo $? > check
            """, folder: scratch.folder)
        func text(_ name: String) throws -> String {
            try String(contentsOfFile: scratch.path(name), encoding: .utf8)
        }
        let messages = try text("import.err") + result.messages
        #expect(try text("import") == "0\n", "\(messages)")
        #expect(try text("state") == "stalled\n")
        #expect(try text("log") == "0\n")
        #expect(try text("status") == "141\n")
        #expect(try text("check") == "0\n")
    }
}
