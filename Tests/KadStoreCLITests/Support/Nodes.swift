import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// `kadstore node` processes on loopback, each with a store of its own.
final class Nodes {
    let scratch = Scratch()
    private var running: [Node] = []

    struct Node {
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
    ) throws -> Node {
        let arguments = [
            "node", "--db", database, "--listen", "/ip4/127.0.0.1/tcp/0", "--scope", "private", "--json",
        ]
        let accepted = namespace.map { ["--accept", $0] } ?? []
        let peers = bootstrap.isEmpty ? [] : ["--bootstrap"] + bootstrap.map(\.address)
        let process = try Command.start(arguments + accepted + peers + more, folder: scratch.folder)
        let event = try #require(
            try Self.event("listening", of: process), "\(database) did not start", sourceLocation: sourceLocation)
        let node = Node(
            process: process, database: database, id: try #require(event["peer"] as? String),
            address: try #require((event["addresses"] as? [String])?.first), metrics: event["metrics"] as? String)
        running.append(node)
        return node
    }

    /// Waits until a process has told of an event; nil when it ended without.
    static func event(_ name: String, of process: Command.Running) throws -> [String: Any]? {
        while true {
            let hasEnded = !process.isRunning
            for line in try process.output.split(separator: "\n") {
                // The last line may not be whole yet.
                guard let value = try? JSONSerialization.jsonObject(with: Data(line.utf8)),
                    let event = value as? [String: Any], event["event"] as? String == name
                else { continue }
                return event
            }
            if hasEnded { return nil }
            usleep(20_000)
        }
    }

    /// Several nodes that know each other by the first one.
    func network(_ count: Int) throws -> [Node] {
        var nodes: [Node] = []
        for number in 0..<count {
            nodes.append(try start("\(number).db", bootstrap: Array(nodes.prefix(1))))
        }
        for node in nodes { _ = try Self.event("ready", of: node.process) }
        return nodes
    }

    func run(_ arguments: String...) throws -> Command.Result {
        try Command.run(arguments, folder: scratch.folder)
    }

    @discardableResult
    func stop(_ node: Node, by signal: Int32 = SIGTERM) throws -> Command.Result {
        kill(node.process.identifier, signal)
        return try node.process.wait()
    }

    deinit {
        for node in running where node.process.isRunning {
            kill(node.process.identifier, SIGKILL)
            _ = try? node.process.wait()
        }
    }
}
