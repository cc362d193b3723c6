import ArgumentParser
import Foundation
import KadStore
import Kademlia
import Testing

@testable import KadStoreCLI

/// A new command with `--json` needs two things: its shape at the end of its help, and a line in ``JSONSamples``.
@Suite("The JSON that kadstore prints is what its help says")
struct JSONShapeTests {
    /// All commands that have `--json`, by name.
    private static let commands: [String: String] = {
        var found: [String: String] = [:]
        func collect(_ command: any ParsableCommand.Type, _ root: any ParsableCommand.Type) {
            for sub in command.configuration.subcommands { collect(sub, root) }
            guard KadStoreCommand.helpMessage(for: command, columns: 200).contains("\n  --json "),
                command.configuration.subcommands.isEmpty
            else { return }
            found[command.configuration.commandName ?? "\(command)"] = command.configuration.discussion
        }
        collect(KadStoreCommand.self, KadStoreCommand.self)
        return found
    }()

    @Test("every command with --json has a shape and a sample run, and there are no others")
    func complete() {
        #expect(Self.commands.count >= 10)
        for (name, discussion) in Self.commands {
            #expect(throws: Never.self, "\(name)") { try DocumentedJSON(discussion: discussion) }
            #expect(JSONSamples.runs[name]?.isEmpty == false, "\(name) has no sample run in JSONSamples")
        }
        for name in JSONSamples.runs.keys { #expect(Self.commands[name] != nil, "\(name) has no --json") }
        for name in JSONSamples.unseen.keys { #expect(Self.commands[name] != nil, "\(name) has no --json") }
    }

    @Test(
        "what is printed is documented, what is documented is printed",
        arguments: JSONSamples.runs.keys.filter { !JSONSamples.isOfNetwork($0) }.sorted())
    func matches(command: String) async throws { try await Self.compare(command) }

    /// One after the other: each starts nodes.
    @Suite("of the commands that ask a network", .serialized)
    struct Network {
        @Test(
            "what is printed is documented, what is documented is printed",
            arguments: JSONSamples.runs.keys.filter(JSONSamples.isOfNetwork).sorted())
        func matches(command: String) async throws { try await JSONShapeTests.compare(command) }
    }

    private static func compare(_ command: String) async throws {
        let documented = try DocumentedJSON(discussion: try #require(Self.commands[command]))
        let scratch = Scratch()
        try await JSONSamples.fill(scratch)
        var seen: Set<String> = []
        for run in try #require(JSONSamples.runs[command]) {
            let result = try await JSONSamples.result(command, run, scratch)
            let what = "kadstore \(command) \(run.arguments.joined(separator: " "))"
            #expect(run.status.contains(result.status), "\(what): \(result.messages)")
            let documents = try JSONValue.documents(result.output)
            #expect(!documents.isEmpty, "\(what)")
            for document in documents {
                #expect(document["version"]?.integer == 1, "\(what)")
                #expect(documented.problems(document, seen: &seen) == [], "\(what)")
            }
        }
        let unseen = JSONSamples.unseen[command] ?? []
        #expect(documented.paths.subtracting(seen).subtracting(unseen).sorted() == [], "\(command) never printed these")
        #expect(unseen.intersection(seen).sorted() == [], "\(command) does print these: take them off the list")
        #expect(unseen.subtracting(documented.paths).sorted() == [], "\(command) documents none of these")
    }

    @Test(
        "a shape that cannot be read is refused",
        arguments: [
            "", "EXAMPLES:\n  kadstore x", "JSON: {peers}", "JSON: {version", "JSON: {version, a: [b]}",
            "JSON: {version, a: {b c}}", "JSON: {version} and more", "JSON: {version, version}", "JSON: [text]",
            "JSON: {version, a or b}", "JSON: {version}\nMore is not said.",
        ])
    func unreadable(discussion: String) {
        #expect(throws: DocumentedJSON.Fault.self) { try DocumentedJSON(discussion: discussion) }
    }

    @Test(
        "a document that differs from its shape is found out",
        arguments: [
            #"{"version":1}"#, #"{"version":"1","list":[],"kind":"a"}"#,
            #"{"version":1,"list":[{"isIt":1}],"kind":"a"}"#, #"{"version":1,"list":[{}],"kind":"a"}"#,
            #"{"version":1,"list":[],"kind":"c"}"#, #"{"version":1,"list":[],"kind":"a","more":1}"#,
            #"{"version":1,"list":[],"kind":"a","map":{"x":"y"}}"#,
            #"{"version":1,"list":[{"isIt":true,"a":1.5}],"kind":"a"}"#, "[]", "null",
        ])
    func differs(document: String) throws {
        let documented = try DocumentedJSON(
            discussion: """
                JSON with --x: {version, list: [item] (notes), kind: "a" or "b", map?: {NAME: integer}}
                item = {isIt, a? or null}
                """)
        var seen: Set<String> = []
        #expect(documented.problems(try JSONValue(document), seen: &seen) != [])
        let good = #"{"version":1,"list":[{"isIt":true,"a":null},{"isIt":false}],"kind":"b","map":{"x":2}}"#
        #expect(documented.problems(try JSONValue(good), seen: &seen) == [])
        #expect(documented.paths.subtracting(seen) == ["item.a"])
    }
}
