import ArgumentParser
import KadNode
import KadStore
import Kademlia

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Get the value of a key from the network.",
        discussion: """
            The value goes to standard output as it is, or to a file; on a terminal, what a terminal would obey is \
            escaped. Values that do not prove themselves are refused: those under /pk and /ipns are checked, those of \
            another namespace need --accept. When nobody has one the exit status is 1.

            EXAMPLES:
              kadstore get /ipns/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf --output record.bin
              kadstore get /pk/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf --json
              kadstore get /test/hello --accept test

            JSON: {version, key: contentKey, isFound, value: {hex: text, text: text or null (where it is text)} or null, \
            elapsedMs}
            \(ContentKey.jsonShape)
            """)

    @Argument(help: "The key: /namespace/name, or 0x and hexadecimal digits.")
    var key: String

    @Option(name: .customLong("output"), help: ArgumentHelp("Write the value to this file.", valueName: "file"))
    var file: String?

    @Option(help: ArgumentHelp("Take values under /NAMESPACE/ as they come; may be repeated.", valueName: "namespace"))
    var accept: [String] = []

    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        try AcceptedNamespaces.check(accept)
        guard file != "" else { throw ValidationError("The name of --output is empty.") }
        guard file == nil || !output.isJSON else {
            throw ValidationError("--json holds the value: leave --output out.")
        }
    }

    func run() async throws {
        let key = try ContentKey.value(self.key)
        if let file { try database.refuse(asOutput: file) }
        let command = self
        let start = ContinuousClock.now
        let (value, fault) = try await Interruption.cancelling {
            try await command.database.answeringLibp2p { store in
                try await ClientNode.asking(
                    store, command.client, validators: .libp2p(accepting: command.accept)
                ) { node in try await node.get(key: key.bytes) }
            }
        }
        try show(value, of: key, milliseconds: ElapsedTime.milliseconds(since: start))
        if let fault { throw fault }
        if value == nil { throw CommandError.nothingFound("nobody has a valid value of \(self.key).") }
    }

    private func show(_ value: [UInt8]?, of key: ContentKey, milliseconds: Int64) throws {
        var output = Output()
        if self.output.isJSON {
            let found = value.map { bytes in
                JSON.object([
                    "hex": .string(Hex.encode(bytes)), "text": .optional(String(validating: bytes, as: UTF8.self)),
                ])
            }
            try output.line(
                JSON.object([
                    "version": JSON.formatVersion, "key": key.json, "isFound": .bool(value != nil),
                    "value": found ?? .null, "elapsedMs": .int(milliseconds),
                ]).text)
        } else if let value, let file {
            try ExportedFile.write(value, to: file)
        } else if let value, output.terminal.isInteractive {
            try output.line(output.terminal.safe(String(decoding: value, as: UTF8.self)))
        } else if let value {
            try output.write(value)
        }
        try output.flush()
        if let value {
            let terminal = Terminal.standardError
            Messages.note("\(terminal.count(value.count, "byte")) in \(terminal.microseconds(milliseconds * 1_000))")
        }
    }
}
