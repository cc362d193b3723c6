import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// `kadstore node` processes on loopback, each with a store of its own. Whoever waits for them blocks no thread that other
/// tests need.
actor Nodes {
    nonisolated let scratch = Scratch()
    private var running: [Node] = []

    struct Node: Sendable {
        let process: Command.Running
        let database: String
        let id: String
        /// Where it listens, with its id.
        let address: String
        let metrics: String?

        /// Where it listens, without its id.
        var place: String { "/" + address.split(separator: "/").prefix(4).joined(separator: "/") }
    }

    /// Starts one, and waits until it listens.
    ///
    /// - Parameter database: its name in the folder.
    @discardableResult
    func start(
        _ database: String, bootstrap: [Node] = [], accepting namespace: String? = "test", _ more: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Node {
        let arguments = [
            "node", "--db", database, "--listen", "/ip4/127.0.0.1/tcp/0", "--scope", "private", "--json",
        ]
        let accepted = namespace.map { ["--accept", $0] } ?? []
        let peers = bootstrap.isEmpty ? [] : ["--bootstrap"] + bootstrap.map(\.address)
        let process = try Command.start(arguments + accepted + peers + more, folder: scratch.folder)
        let event = try #require(
            try await Self.event("listening", of: process), "\(database) did not start", sourceLocation: sourceLocation)
        let node = Node(
            process: process, database: database, id: try #require(event["peer"]?.text),
            address: try #require(event["addresses"]?.elements.first?.text), metrics: event["metrics"]?.text)
        running.append(node)
        return node
    }

    /// Waits until a process has told of an event; nil when it ended without.
    static func event(_ name: String, of process: Command.Running) async throws -> JSONValue? {
        while true {
            let hasEnded = !process.isRunning
            for line in try process.output.split(separator: "\n") {
                // The last line may not be whole yet.
                guard let event = try? JSONValue(line), event["event"] == .text(name) else { continue }
                return event
            }
            if hasEnded { return nil }
            try await pause()
        }
    }

    /// Several nodes that know each other by the first one.
    func network(_ count: Int) async throws -> [Node] {
        var nodes: [Node] = []
        for number in 0..<count {
            nodes.append(try await start("\(number).db", bootstrap: Array(nodes.prefix(1))))
        }
        for node in nodes { _ = try await Self.event("ready", of: node.process) }
        return nodes
    }

    nonisolated func run(_ arguments: String...) async throws -> Command.Result { try await run(arguments) }

    nonisolated func run(_ arguments: [String]) async throws -> Command.Result {
        try await Self.waiting(for: try Command.start(arguments, folder: scratch.folder))
    }

    @discardableResult
    nonisolated func stop(_ node: Node, by signal: Int32 = SIGTERM) async throws -> Command.Result {
        kill(node.process.identifier, signal)
        return try await Self.waiting(for: node.process)
    }

    /// Waits until a process has ended.
    static func waiting(for process: Command.Running) async throws -> Command.Result {
        while process.isRunning { try await pause() }
        return try process.wait()
    }

    /// Between two looks.
    static func pause() async throws { try await Task.sleep(for: .milliseconds(20)) }

    deinit {
        for node in running where node.process.isRunning {
            // One that stands still is killed as well.
            kill(node.process.identifier, SIGKILL)
            _ = try? node.process.wait()
        }
    }
}
