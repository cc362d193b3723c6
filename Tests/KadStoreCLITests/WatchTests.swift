import Foundation
import KadStore
import Kademlia
import Testing

@testable import KadStoreCLI

#if canImport(Glibc)
import Glibc
#endif

@Suite("kadstore watch")
struct WatchTests {
    private let scratch = Scratch()
    private var path: String { scratch.path("a.db") }

    private func watch(
        columns: Int = 80, rows: Int = 24, _ environment: [String: String] = [:]
    ) throws -> PseudoTerminal {
        try PseudoTerminal(
            ["watch", "--db", path, "--interval", "100ms"], columns: columns, rows: rows, environment: environment)
    }

    /// What a terminal must be like for the shell that gets it back.
    private func expectRestored(_ terminal: PseudoTerminal, sourceLocation: SourceLocation = #_sourceLocation) {
        let screen = terminal.screen(columns: 80)
        #expect(!screen.isAlternate && screen.hasCursor, sourceLocation: sourceLocation)
        #expect(terminal.isCooked, sourceLocation: sourceLocation)
        #expect(screen.unknown == [], sourceLocation: sourceLocation)
    }

    @Test("shows on a terminal what a node does meanwhile; q gives the terminal back")
    func live() async throws {
        let peers = try await Samples.fill(path, count: 200)
        _ = try await Samples.addIdentity(path, peers)
        let terminal = try watch()
        #expect(await terminal.waits(columns: 80) { $0.text.contains("peers      200") })
        #expect(await terminal.waits(columns: 80) { $0.text.contains("100 answered, 50 unverified, 50 failing") })
        let screen = terminal.screen(columns: 80)
        #expect(screen.isAlternate && !screen.hasCursor && !terminal.isCooked)
        #expect(screen.text.contains("Identity 1 \"main\"") && screen.text.contains("▓"))
        #expect(screen.lines.last?.contains("q quit") == true)

        let store = try await Store.open(path)
        let now = Instant.systemClock()
        try store.record(.heard(store.peer(Samples.id(900)), addresses: [], source: nil, at: now))
        for number in 0..<3 {
            try store.record(.answered(store.peer(Samples.id(number)), address: nil, rtt: 7_000, at: now))
        }
        try store.record(.failed(store.peer(Samples.id(9)), address: nil, .refused, at: now))
        try store.record(.lookedUp(LookupSummary(finishedAt: now, reason: .complete, milliseconds: 900)))
        try await store.flush()
        #expect(
            await terminal.waits(columns: 80) { screen in
                let text = screen.text
                return text.contains("peers      201") && text.contains("+1") && text.contains("1: 1 refused")
                    && text.contains("1 in the last minute") && text.contains("refused")
            }, "\(terminal.screen(columns: 80).text)")
        let lines = terminal.screen(columns: 80).lines
        #expect(lines.contains { $0.hasPrefix("answers") && $0.hasSuffix("3") })
        #expect(lines.contains { $0.contains("answered") && $0.contains("7.0 ms") })

        // Whoever closes last empties the log: the watch does not keep it, but for the moment of a look.
        try await store.close()
        func logBytes() -> Int {
            let attributes = try? FileManager.default.attributesOfItem(atPath: path + "-wal")
            return attributes?[.size] as? Int ?? 0
        }
        for _ in 0..<20 where logBytes() > 0 { try await Store.open(path).close() }
        #expect(logBytes() == 0)
        #expect(await terminal.waits(columns: 80) { $0.text.contains("log 0 B") })

        terminal.press("q")
        #expect(terminal.wait() == (0, false))
        expectRestored(terminal)
        #expect(!terminal.screen(columns: 80).hasOverflowed)
    }

    @Test("gives the terminal back whatever ends it", arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    func signals(signal: Int32) async throws {
        try await Samples.fill(path, count: 10)
        let terminal = try watch()
        #expect(await terminal.waits(columns: 80) { $0.text.contains("peers      10") })
        terminal.send(signal)
        #expect(terminal.wait() == (0, false))
        expectRestored(terminal)
    }

    /// A shell that has the terminal, as a person's has: stopping a process needs somebody to stop for.
    private static let shell = "/usr/bin/setsid"

    @Test(
        "gives the terminal back while it is stopped by Ctrl-Z, and takes it again",
        .enabled(if: FileManager.default.fileExists(atPath: shell), "there is no setsid"))
    func stops() async throws {
        try await Samples.fill(path, count: 10)
        let terminal = try PseudoTerminal(
            ["--ctty", "--wait", "/bin/bash", "--norc", "--noprofile", "--noediting", "-i"], columns: 80,
            environment: ["PS1": "$ ", "BASH_SILENCE_DEPRECATION_WARNING": "1"], program: Self.shell)
        terminal.press("'\(Command.path)' watch --interval 100ms --db '\(path)'\n")
        #expect(await terminal.waits(columns: 80) { $0.isAlternate && $0.text.contains("peers      10") })
        for round in 1...2 {
            terminal.press("\u{1a}")
            #expect(await terminal.waits(columns: 80) { !$0.isAlternate && $0.hasCursor })
            #expect(await terminal.waits(columns: 80) { _ in terminal.output.hasSuffix("$ ") && terminal.isCooked })
            terminal.press("echo round \(round)$((1 + 1)); fg\n")
            #expect(
                await terminal.waits(columns: 80) { screen in
                    terminal.output.contains("round \(round)2") && screen.isAlternate && !screen.hasCursor
                        && screen.text.contains("peers      10")
                })
            #expect(!terminal.isCooked)
        }
        terminal.press("\u{3}")
        #expect(await terminal.waits(columns: 80) { _ in terminal.output.hasSuffix("$ ") && terminal.isCooked })
        terminal.press("exit $?\n")
        #expect(terminal.wait() == (0, false))
        #expect(!terminal.screen(columns: 80).isAlternate && terminal.screen(columns: 80).hasCursor)
    }

    @Test("an error at the start leaves the terminal alone: 66")
    func missing() throws {
        let terminal = try watch()
        #expect(terminal.wait() == (66, false))
        #expect(!terminal.output.contains("\u{1b}[?1049h"))
        expectRestored(terminal)
    }

    @Test(
        "fits screens of any size, in any locale, with and without color",
        arguments: [(20, 5), (40, 10), (40, 24), (80, 10), (80, 24), (200, 60)],
        [[:], ["NO_COLOR": "1"], ["LC_ALL": "C"], ["LC_ALL": "de_DE.ISO-8859-1", "NO_COLOR": "1"]])
    func fits(size: (columns: Int, rows: Int), environment: [String: String]) async throws {
        let (columns, rows) = size
        let peers = try await Samples.fill(path, count: 120)
        _ = try await Samples.addIdentity(path, peers)
        let terminal = try watch(columns: columns, rows: rows, environment)
        let last = "q quit"
        #expect(await terminal.waits(columns: columns, rows: rows) { $0.lines.last?.hasPrefix(last) == true })
        let store = try await Store.open(path)
        for number in 0..<40 {
            try store.record(.answered(store.peer(Samples.id(number)), address: nil, rtt: 9, at: .systemClock()))
        }
        try await store.flush()
        #expect(await terminal.waits(columns: columns, rows: rows) { $0.text.contains("/s") || rows < 6 })
        try await store.close()
        terminal.press("??q")
        #expect(terminal.wait() == (0, false))
        var model = TerminalModel(columns: columns, rows: rows)
        model.take(terminal.output)
        #expect(!model.hasOverflowed && model.unknown == [])
        if environment["LC_ALL"] != nil { #expect(terminal.output.utf8.allSatisfy { $0 < 0x80 }) }
        let sequences = terminal.output.split(separator: "\u{1b}[").dropFirst()
        let hasColor = sequences.contains { $0.first(where: \.isLetter) == "m" }
        #expect(hasColor == (environment["NO_COLOR"] == nil))
    }

    @Test("follows a terminal whose size changes, and its keys: pause, help, the next identity")
    func keys() async throws {
        let peers = try await Samples.fill(path, count: 120)
        _ = try await Samples.addIdentity(path, peers)
        let store = try await Store.open(path)
        _ = try await store.identity(Samples.id(77), label: "second")
        let terminal = try watch()
        #expect(await terminal.waits(columns: 80) { $0.text.contains("\"main\"") && $0.text.contains("(1 of 2)") })
        terminal.press("\t")
        #expect(await terminal.waits(columns: 80) { $0.text.contains("\"second\"") && $0.text.contains("(2 of 2)") })
        terminal.press("\u{1b}[D")
        #expect(await terminal.waits(columns: 80) { $0.text.contains("\"main\"") })
        terminal.press("?")
        #expect(await terminal.waits(columns: 80) { $0.text.contains("Ctrl-C") })
        terminal.press("?p")
        #expect(await terminal.waits(columns: 80) { $0.text.contains("paused") && $0.text.contains("\"main\"") })
        try store.record(.heard(store.peer(Samples.id(901)), addresses: [], source: nil, at: .systemClock()))
        try await store.flush()
        try await Task.sleep(for: .milliseconds(400))
        #expect(terminal.screen(columns: 80).text.contains("peers      120"))
        terminal.press(" ")
        #expect(await terminal.waits(columns: 80) { $0.text.contains("peers      121") })
        terminal.resize(columns: 50, rows: 12)
        #expect(await terminal.waits(columns: 80) { $0.lines[11].hasPrefix("q quit") })
        let text = terminal.screen(columns: 80).lines.dropFirst(12).joined()
        #expect(text.isEmpty)
        terminal.press("\u{1b}[A\u{1b}[Bjk\u{1b}\u{1b}[999;1~\u{ff}q")
        #expect(terminal.wait() == (0, false))
        expectRestored(terminal)
        try await store.close()
    }

    @Test("says when the file goes and when another takes its place, and watches that one")
    func replaced() async throws {
        try await Samples.fill(path, count: 10)
        try await Samples.fill(scratch.path("b.db"), count: 33)
        let terminal = try watch()
        #expect(await terminal.waits(columns: 80) { $0.text.contains("peers      10") })
        try FileManager.default.removeItem(atPath: path)
        #expect(await terminal.waits(columns: 80) { $0.text.contains("The file is gone") })
        try Data("This is a letter, not a database.".utf8).write(to: URL(fileURLWithPath: path))
        #expect(await terminal.waits(columns: 80) { $0.text.contains("Cannot be read now") })
        #expect(rename(scratch.path("b.db"), path) == 0)
        #expect(
            await terminal.waits(columns: 80) {
                $0.text.contains("peers      33") && $0.text.contains("Another file took its place")
            })
        terminal.press("q")
        #expect(terminal.wait() == (0, false))
        expectRestored(terminal)
    }

    @Test("goes on over a node's restart, a vacuum and an emptied log")
    func restart() async throws {
        try await Samples.fill(path, count: 10)
        let terminal = try watch()
        for round in 1...3 {
            let store = try await Store.open(path)
            let peer = try store.peer(Samples.id(100 + round))
            try store.record(.heard(peer, addresses: [], source: nil, at: .systemClock()))
            try await store.close()
            #expect(await terminal.waits(columns: 80) { $0.text.contains("peers      \(10 + round)") })
            _ = try Command.shell("sqlite3 '\(path)' 'VACUUM'")
        }
        #expect(!terminal.screen(columns: 80).text.contains("Cannot be read"))
        terminal.press("q")
        #expect(terminal.wait() == (0, false))
    }

    @Test("in a pipe it prints a line a look, and ends after as many as are wanted")
    func lines() async throws {
        try await Samples.fill(path, count: 10)
        let result = try Command.run("watch", "--db", path, "--interval", "100ms", "--count", "3")
        #expect(result.status == 0 && result.lines.count == 3 && !result.output.contains("\u{1b}"))
        #expect(result.lines.allSatisfy { $0.contains("10 peers, 0 answers, 0 failures, 0 commits") })
        let head = try Command.shell("\"$KADSTORE\" watch --db '\(path)' --interval 100ms | head -n 2")
        #expect(head.status == 0 && head.lines.count == 2 && head.messages.isEmpty)
        let dumb = try PseudoTerminal(
            ["watch", "--db", path, "--interval", "100ms", "--count", "2"], columns: 80, environment: ["TERM": "dumb"])
        #expect(dumb.wait() == (0, false))
        #expect(!dumb.output.contains("\u{1b}"))
        let full = try Command.shell("\"$KADSTORE\" watch --db '\(path)' --interval 100ms > /dev/full")
        #expect(full.status == 74)
        let running = try Command.start(["watch", "--db", path, "--interval", "100ms"])
        while try running.output.isEmpty { usleep(10_000) }
        kill(running.identifier, SIGINT)
        #expect(try running.wait().status == 0)
    }

    @Test("what strangers say of themselves does not reach the screen raw")
    func hostile() async throws {
        try await Samples.fill(path, count: 4)
        let store = try await Store.open(path)
        _ = try await store.identity(Samples.id(77), label: Samples.hostileAgent)
        try await store.close()
        let terminal = try watch()
        #expect(await terminal.waits(columns: 80) { $0.text.contains("Identity 1") })
        terminal.press("q")
        terminal.wait()
        #expect(terminal.screen(columns: 80).unknown == [])
        #expect(!terminal.output.contains("\u{9b}") && !terminal.output.contains("\u{202e}"))
        #expect(!terminal.output.contains("\u{7}"))
    }

    @Test(
        "refuses what makes no sense",
        arguments: [
            ["--interval", "1ms"], ["--interval", "x"], ["--interval", "9999h"], ["--count", "0"], ["--db", ""],
        ])
    func usage(arguments: [String]) async throws {
        try await Samples.fill(scratch.path("peers.db"), count: 1)
        #expect(try Command.run(["watch"] + arguments, folder: scratch.folder).status == 64)
    }

    @Test("counts a second by the time that passed between two looks")
    func rates() async throws {
        _ = try await Samples.fill(path, count: 5)
        var store = WatchedStore(path: path)
        try await store.open()
        let look = try #require(await store.look(now: .systemClock()))
        var model = WatchModel(startedAt: .systemClock())
        model.take(look, elapsed: 0)
        #expect(model.rate(6) == 0)
        model.take(look, elapsed: 2_000)
        #expect(model.rate(6) == 3)
        await store.close()
    }

    @Test("leaves the log of a store that nobody closed as it is")
    func readOnly() async throws {
        _ = try await Samples.fill(path, count: 20)
        let store = try await Store.open(path)
        try store.record(.heard(store.peer(Samples.id(900)), addresses: [], source: nil, at: .systemClock()))
        try await store.flush()
        let left = scratch.path("left.db")
        for suffix in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + suffix, toPath: left + suffix) }
        try await store.close()
        let log = try Data(contentsOf: URL(fileURLWithPath: left + "-wal"))
        for options in [["--read-only"], []] {
            let result = try Command.run(["watch", "--count", "1", "--db", left] + options)
            #expect(result.status == 0 && result.output.contains("21 peers"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: left + "-wal")) == log)
        }
    }

    @Test("sparklines, clipped lines and keys")
    func parts() {
        var terminal = Terminal(isInteractive: true, hasColor: true, isUnicode: true, width: 80)
        func spark(_ values: [Double], _ width: Int = 8, fromZero: Bool = true) -> String {
            Sparkline.text(values, width: width, fromZero: fromZero, terminal)
        }
        #expect(spark([]) == "" && spark([0, 0]) == "▁▁" && spark([0, 7, 3.5]) == "▁█▅")
        #expect(spark([5, 6], fromZero: false) == "▁█" && spark([1, 2, 3], 2) == "▆█" && spark([1], 0) == "")
        #expect(spark([.nan, .infinity, 1]) == "▁▁█")
        let red = terminal.paint("abcdef", .red)
        #expect(terminal.clip(red, to: 10) == red && terminal.clip(red, to: 3) == "\u{1b}[31mabc\u{1b}[0m")
        #expect(terminal.clip("a漢字", to: 4) == "a漢\u{1b}[0m")
        terminal.isUnicode = false
        #expect(spark([0, 7]) == "_#")
        let keys = WatchKey.keys(Array("q?\u{1b}[A\u{1b}OB\u{1b}[1;2C\u{1b}[Z\tx".utf8))
        #expect(keys == [.quit, .help, .up, .down, .next, .previous, .next, .other])
        #expect(WatchKey.keys([0x1b]) == [.other] && WatchKey.keys([0x1b, 0x5b]) == [.other])
        #expect(WatchKey.keys([]) == [])
        let spans = ["500ms": 500, "2s": 2_000, "3": 3_000, "1m": 60_000, "2min": 120_000, "1h": 3_600_000]
        for (text, milliseconds) in spans { #expect(Interval(argument: text)?.milliseconds == Int64(milliseconds)) }
        for text in ["", "s", "-1s", "1.5s", "9999999999s", "1y"] { #expect(Interval(argument: text) == nil) }
    }
}
