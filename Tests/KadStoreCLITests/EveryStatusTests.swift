import Foundation
import Testing

@testable import KadStore
@testable import KadStoreCLI

#if canImport(Glibc)
import Glibc
#endif

@Suite("Every exit status of kadstore")
struct EveryStatusTests {
    /// Not that of Swift Testing.
    typealias Status = KadStoreCLI.ExitStatus

    /// What provokes each, in a folder with the store `a.db`. A fault in kadstore itself has no known cause: it would be
    /// put right.
    private static let provocations: [Status: @Sendable (Scratch) throws -> Command.Result] = [
        .success: { try Command.run("stats", "--db", $0.path("a.db")) },
        .negative: { try Command.run("peers", "nobody", "--db", $0.path("a.db")) },
        .partlyDone: { scratch in
            let id = try Samples.text(Samples.id(9))
            try Data("/ip4/10.0.0.1/tcp/1/p2p/\(id)\nrubbish\n".utf8)
                .write(to: URL(fileURLWithPath: scratch.path("list.txt")))
            return try Command.run("import", "--db", scratch.path("a.db"), scratch.path("list.txt"))
        },
        .usage: { try Command.run("stats", "--db", $0.path("a.db"), "--count") },
        .badData: { scratch in
            try Data("This is a letter, not a database.".utf8)
                .write(to: URL(fileURLWithPath: scratch.path("letter.txt")))
            return try Command.run("stats", "--db", scratch.path("letter.txt"))
        },
        .noInput: { try Command.run("stats", "--db", $0.path("none.db")) },
        .cannotCreate: { try Command.run("init", "--db", $0.path("none/new.db")) },
        .inputOutput: { try Command.shell("\"$KADSTORE\" peers --db '\($0.path("a.db"))' > /dev/full") },
        .tryAgain: { scratch in
            let descriptor = open(scratch.path("a.db-lock"), O_RDWR | O_CREAT, 0o600)
            #expect(flock(descriptor, LOCK_EX) == 0)
            defer { close(descriptor) }
            return try Command.run("forgive", "--all", "--db", scratch.path("a.db"))
        },
        .noPermission: { scratch in
            // Root may do everything, so somebody else tries.
            let other = geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups" : ""
            _ = chmod(scratch.path("a.db"), geteuid() == 0 ? 0o600 : 0)
            return try Command.shell("\(other) \"$KADSTORE\" stats --db '\(scratch.path("a.db"))'")
        },
        .configuration: { scratch in
            try Connection(path: scratch.path("a.db"), access: .readWrite).execute("PRAGMA user_version = 9999")
            return try Command.run("stats", "--db", scratch.path("a.db"))
        },
    ]

    /// Whether the system has what it takes to provoke a status.
    private static func canProvoke(_ status: Status) -> Bool {
        switch status {
        case .inputOutput: FileManager.default.fileExists(atPath: "/dev/full")
        case .noPermission:
            geteuid() != 0
                || (try? Command.shell("setpriv --reuid 65534 --regid 65534 --clear-groups \"$KADSTORE\" --version"))?
                    .status == 0
        default: true
        }
    }

    @Test("is provoked, but for the fault of kadstore itself")
    func complete() {
        #expect(Set(Self.provocations.keys).union([.internalError]) == Set(Status.allCases))
        for status in Status.allCases where !Self.canProvoke(status) {
            print("not provoked on this system: \(status.rawValue), \(status.meaning)")
        }
    }

    @Test(
        "is what the command ends with, with a word to a person",
        arguments: Status.allCases.filter { provocations[$0] != nil && canProvoke($0) })
    func provoked(status: Status) async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("a.db"), count: 20)
        let provoke = try #require(Self.provocations[status])
        let result = try provoke(scratch)
        #expect(result.status == status.rawValue && !result.isSignalled, "\(result.messages)")
        if status != .success { #expect(!result.messages.isEmpty) }
    }

    @Test("is in the help and in the README, and no other")
    func documented() throws {
        let numbers = Status.allCases.map(\.rawValue)
        let help = try Command.run("--help").output
        let table = try #require(help.range(of: "EXIT STATUS:"))
        let end = try #require(help.range(of: "ENVIRONMENT:"))
        let inHelp = help[table.upperBound..<end.lowerBound].split(separator: "\n")
            .compactMap { $0.split(separator: " ").first.flatMap { Int32($0) } }
        #expect(inHelp == numbers)
        let readme = try String(
            contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("README.md"), encoding: .utf8)
        let heading = try #require(readme.range(of: "### Exit status"))
        let rest = readme[heading.upperBound...]
        let section = rest[..<(rest.range(of: "\n#")?.lowerBound ?? rest.endIndex)]
        let inReadme = section.split(separator: "\n").compactMap { line in
            line.split(separator: "|").first.flatMap { Int32($0.trimmingCharacters(in: .whitespaces)) }
        }
        #expect(inReadme == numbers)
    }
}
