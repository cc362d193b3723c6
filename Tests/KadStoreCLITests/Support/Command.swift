import Foundation
import Testing

/// The built command, run as a user runs it.
enum Command {
    struct Result {
        var status: Int32
        var output: String
        var messages: String
        /// Whether a signal ended it.
        var isSignalled = false

        /// Standard output as JSON.
        func json(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
            let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
            return try #require(value as? [String: Any], sourceLocation: sourceLocation)
        }

        /// The columns of each line.
        var lines: [Substring] { output.split(separator: "\n") }
    }

    /// Beside the test bundle, where the package manager puts all that it builds.
    static let path: String = {
        var bundles = Bundle.allBundles.map(\.bundlePath).filter { $0.hasSuffix(".xctest") }
        bundles.append((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "")
        bundles.append(CommandLine.arguments[0])
        let folders = bundles.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path }
        return (folders.map { $0 + "/kadstore" }.first { FileManager.default.isExecutableFile(atPath: $0) })
            ?? "kadstore"
    }()

    /// Runs the command with nothing of the caller's environment but the given variables.
    static func run(
        _ arguments: String..., input: String? = nil, environment: [String: String] = [:], folder: String? = nil
    ) throws -> Result {
        try run(arguments, input: input, environment: environment, folder: folder)
    }

    static func run(
        _ arguments: [String], input: String? = nil, environment: [String: String] = [:], folder: String? = nil
    ) throws -> Result {
        try launch(path, arguments, input: input, environment: environment, folder: folder)
    }

    /// Runs a line of the shell, in which `$KADSTORE` is the command.
    static func shell(_ line: String, environment: [String: String] = [:], folder: String? = nil) throws -> Result {
        try launch(
            "/bin/sh", ["-c", line], input: nil, environment: environment.merging(["KADSTORE": path]) { $1 },
            folder: folder)
    }

    private static func launch(
        _ program: String, _ arguments: [String], input: String?, environment: [String: String], folder: String?
    ) throws -> Result {
        try Running(program, arguments, input: input, environment: environment, folder: folder).wait()
    }

    /// Starts the command, and lets it run.
    static func start(
        _ arguments: [String], environment: [String: String] = [:], folder: String? = nil
    ) throws -> Running {
        try Running(path, arguments, input: nil, environment: environment, folder: folder)
    }

    /// Starts a line of the shell, in which `$KADSTORE` is the command, and lets it run.
    static func startShell(_ line: String, folder: String) throws -> Running {
        try Running("/bin/sh", ["-c", line], input: nil, environment: ["KADSTORE": path], folder: folder)
    }

    /// A command that runs.
    final class Running: @unchecked Sendable {
        private let scratch = Scratch()
        private let process = Process()
        private let names: [String]

        init(
            _ program: String, _ arguments: [String], input: String?, environment: [String: String], folder: String?
        ) throws {
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = arguments
            let passed = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
            process.environment = passed.merging(["LANG": "C.UTF-8"]) { $1 }.merging(environment) { $1 }
            if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
            // Files, not pipes: nobody has to read while it runs.
            names = ["input", "output", "messages"].map(scratch.path)
            try Data((input ?? "").utf8).write(to: URL(fileURLWithPath: names[0]))
            for name in names[1...] { try Data().write(to: URL(fileURLWithPath: name)) }
            process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: names[0]))
            process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: names[1]))
            process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: names[2]))
            try process.run()
        }

        /// What it has written to standard output so far.
        var output: String {
            get throws { String(decoding: try Data(contentsOf: URL(fileURLWithPath: names[1])), as: UTF8.self) }
        }

        /// What it has written to standard error so far.
        var messages: String {
            get throws { String(decoding: try Data(contentsOf: URL(fileURLWithPath: names[2])), as: UTF8.self) }
        }

        var isRunning: Bool { process.isRunning }

        var identifier: Int32 { process.processIdentifier }

        func wait() throws -> Result {
            process.waitUntilExit()
            return Result(
                status: process.terminationStatus, output: try output, messages: try messages,
                isSignalled: process.terminationReason == .uncaughtSignal)
        }
    }
}

/// A folder of its own, removed with it.
final class Scratch: Sendable {
    let folder: String

    init() {
        folder = NSTemporaryDirectory() + "kadstore-cli-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { folder + "/" + name }
}
