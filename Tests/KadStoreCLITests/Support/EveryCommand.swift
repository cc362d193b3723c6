import Foundation
import KadStore
import Testing

@testable import KadStoreCLI

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A run or two of every command, over a store in a folder: what no command may do is tried on all of them.
enum EveryCommand {
    /// A peer that the samples have.
    static func peer(_ number: Int) -> String { (try? Samples.text(Samples.id(number))) ?? "" }

    private static let nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    private static let asking = ["--bootstrap", nobody, "--timeout", "300ms", "--log-level", "trace"]

    /// The arguments of each, behind its name and before `--db`; in this order, the harmless ones first.
    static let runs: [(command: String, arguments: [[String]])] = [
        ("init", [[]]), ("nearest", [["x"], [peer(0)]]), ("peers", [[], [peer(0)], ["nobody"]]),
        ("buckets", [[], ["--near", "x"]]), ("stats", [[]]), ("report", [["--output", "report.html"]]),
        ("watch", [["--count", "1", "--interval", "100ms"]]), ("explain", (0..<5).map { [peer($0)] }),
        ("warm", [["--dry-run"]]), ("check", [[], ["--full"]]), ("checkpoint", [[]]),
        ("simulate", [["--list"]]),
        ("export", [[], ["all.jsonl"], ["--format", "csv", "all.csv"], ["--format", "multiaddrs", "all.txt"]]),
        ("import", [["--scope", "private", "--reject-file", "rejected.jsonl", "list.txt"], ["none.txt"]]),
        ("convert", [["all.jsonl", "again.csv", "--to", "csv"], ["list.txt", "-", "--to", "csv", "--dry-run"]]),
        ("diff", [["all.jsonl", "all.csv"]]),
        ("backup", [["backup.db"], ["backup.db"]]),
        ("migrate", [["--dry-run"]]), ("forgive", [[peer(0)], ["--all"]]),
        ("node", [["--listen", "/ip4/127.0.0.1/tcp/0", "--log-level", "trace"]]),
        ("lookup", [["hello"] + asking]), ("get", [["/test/x", "--accept", "test"] + asking]),
        ("put", [["/test/x", "a", "--accept", "test"] + asking]),
        ("provide", [["hello", "--address", "/ip4/127.0.0.1/tcp/1"] + asking]),
        ("providers", [["hello"] + asking]), ("crawl", [["--bootstrap", nobody, "--log-level", "trace"], []]),
        ("prune", [["--failing", "1"], ["--never-answered"]]), ("vacuum", [[]]),
        ("salvage", [["--dry-run"], ["--output", "salvaged.db"]]),
        ("restore", [["--force", "backup.db"], ["backup.db"]]),
    ]

    static let names = KadStoreCommand.configuration.subcommands.compactMap { $0.configuration.commandName }

    private static let withoutDatabase = ["convert", "diff", "simulate"]
    private static let withoutJSON = ["init", "report", "export"]

    /// Runs one command as it is and, where it knows JSON, with `--json`.
    static func results(
        of command: String, on database: String, in folder: String, json: Bool
    ) async throws -> [(line: String, result: Command.Result)] {
        guard !json || !withoutJSON.contains(command) else { return [] }
        var results: [(String, Command.Result)] = []
        for arguments in runs.first(where: { $0.command == command })?.arguments ?? [] {
            var arguments = [command] + arguments + (json ? ["--json"] : [])
            if !withoutDatabase.contains(command) { arguments += ["--db", database] }
            let running = try Command.start(arguments, folder: folder)
            if command == "node" {
                // It goes on until it is told to end.
                for _ in 0..<500 where running.isRunning {
                    if try (running.output + running.messages).contains("listening") { break }
                    try await Nodes.pause()
                }
                kill(running.identifier, SIGTERM)
            }
            let result = try await Nodes.waiting(for: running)
            results.append(("kadstore " + arguments.joined(separator: " "), result))
        }
        return results
    }
}
