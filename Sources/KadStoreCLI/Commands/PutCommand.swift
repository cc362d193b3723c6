import ArgumentParser
import KadExchange
import KadNode
import KadStore
import Kademlia

struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Put a value under a key, at the peers nearest to it.",
        discussion: """
            VALUE is text, @FILE for what a file holds, or - for standard input. The value must prove itself: under /pk \
            stands a public key, under /ipns a signed record; other namespaces need --accept, here and at the peers. It \
            is also kept in the store as one's own, and a node that is started on it puts it again before peers forget it.

            When nobody takes it the exit status is 1; when fewer take it than do not, or the time is over before all were \
            asked, 3.

            EXAMPLES:
              kadstore put /test/hello "hello world" --accept test
              kadstore put /ipns/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf @record.bin
              kadstore put /test/hello - --accept test --json < value.bin

            JSON: {version, key: contentKey, valueBytes, accepted: [text (ids of peers)], failed: [{id: text, class: \
            text}], elapsedMs}
            \(ContentKey.jsonShape)
            """)

    @Argument(help: "The key: /namespace/name, or 0x and hexadecimal digits.")
    var key: String

    @Argument(help: "The value: text, @FILE, or - for standard input.")
    var value: String

    @Option(help: ArgumentHelp("Take values under /NAMESPACE/ as they are; may be repeated.", valueName: "namespace"))
    var accept: [String] = []

    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws { try AcceptedNamespaces.check(accept) }

    func run() async throws {
        let key = try ContentKey.value(self.key)
        if value.hasPrefix("@") { try database.refuse(asInput: String(value.dropFirst())) }
        let value = try ValueInput.bytes(self.value)
        let command = self
        let start = ContinuousClock.now
        let (report, fault) = try await Interruption.cancelling {
            try await command.database.answeringLibp2p { store in
                try await ClientNode.asking(
                    store, command.client, validators: .libp2p(accepting: command.accept)
                ) { node in try await node.put(key: key.bytes, value: value) }
            }
        }
        try SpreadReport(key: key, report: report, milliseconds: ElapsedTime.milliseconds(since: start))
            .show(isJSON: output.isJSON, "took it", extra: [("valueBytes", .int(value.count))])
        if let fault { throw fault }
    }
}

/// What is put: a value as the command line names it.
enum ValueInput {
    /// The most bytes that are read: more than any peer takes.
    static let byteLimit = StoredValue.maximumValueBytes

    static func bytes(_ argument: String) throws -> [UInt8] {
        guard argument == "-" || argument.hasPrefix("@") else { return Array(argument.utf8) }
        let name = argument == "-" ? "-" : String(argument.dropFirst())
        guard !name.isEmpty else { throw CommandError.usage("@ needs the name of a file.") }
        return try InputBytes.read(name, limit: byteLimit)
    }
}
