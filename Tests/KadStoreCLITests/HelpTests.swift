import ArgumentParser
import Testing

@testable import KadStoreCLI

@Suite("The help")
struct HelpTests {
    private static let commands: [any ParsableCommand.Type] =
        [KadStoreCommand.self] + KadStoreCommand.configuration.subcommands

    /// The lines under `EXAMPLES:`.
    private func examples(_ command: any ParsableCommand.Type) -> [String] {
        let lines = command.configuration.discussion.split(separator: "\n", omittingEmptySubsequences: false)
        let below = lines.drop { $0 != "EXAMPLES:" }.dropFirst()
        return below.prefix { $0.hasPrefix("  ") }.map { String($0.dropFirst(2)) }
    }

    /// The words after `kadstore` as a shell would pass them on, without what stands before or after it in a pipeline.
    private func arguments(_ line: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            if character == quote {
                quote = nil
            } else if quote == nil, character == "\"" || character == "'" {
                quote = character
                word = word ?? ""
            } else if quote == nil, character == " " {
                // Two blanks: a remark follows.
                guard let ended = word else { break }
                words.append(ended)
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        guard let start = words.firstIndex(of: "kadstore") else { return nil }
        return Array(words[(start + 1)...].prefix { !["|", ">", "&&", ";", "<"].contains($0) })
    }

    @Test("of every command has examples, which the command understands")
    func examplesParse() throws {
        for command in Self.commands {
            let lines = examples(command)
            #expect(!lines.isEmpty, "\(command._commandName) has no examples")
            for line in lines {
                let words = try #require(arguments(line), "\(command._commandName): \(line)")
                #expect(throws: Never.self, "\(line)") { _ = try KadStoreCommand.parseAsRoot(words) }
                let isOfCommand = command == KadStoreCommand.self || words.first == command._commandName
                #expect(isOfCommand, "\(command._commandName): \(line)")
            }
        }
    }
}
