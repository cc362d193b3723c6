import ArgumentParser
import KadEngine
import KadNode
import KadStore
import Kademlia

struct ProvidersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "providers",
        abstract: "Search the network for those who provide a key.",
        discussion: """
            KEY is a CID, 0x and hexadecimal digits, or any text as it is. When nobody provides it the exit status is 1.

            EXAMPLES:
              kadstore providers bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi
              kadstore providers QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR --count 5 --json

            JSON: {version, key: contentKey, providers: [{id: text, addresses: [text]}], elapsedMs}
            \(ContentKey.jsonShape)
            """)

    @Argument(help: "A CID, 0x and hexadecimal digits, or text.")
    var key: String

    @Option(help: "How many are enough.")
    var count = ContentConfiguration.providerCount

    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard (1...1_000).contains(count) else { throw ValidationError("--count is between 1 and 1000.") }
    }

    func run() async throws {
        let key = try ContentKey.content(self.key)
        let command = self
        let start = ContinuousClock.now
        let (providers, fault) = try await Interruption.cancelling {
            try await command.database.answeringLibp2p { store in
                try await ClientNode.asking(store, command.client) { node in
                    try await node.providers(of: key.bytes, limit: command.count)
                }
            }
        }
        try show(providers, of: key, milliseconds: ElapsedTime.milliseconds(since: start))
        if let fault { throw fault }
        if providers.isEmpty { throw CommandError.nothingFound("nobody provides \(self.key).") }
    }

    private func show(_ providers: [FoundPeer], of key: ContentKey, milliseconds: Int64) throws {
        var output = Output()
        let view = PeerView(network: .libp2p, terminal: output.terminal, now: Instant(milliseconds: 0))
        if self.output.isJSON {
            try output.line(
                JSON.object([
                    "version": JSON.formatVersion, "key": key.json,
                    "providers": .array(
                        providers.map { provider in
                            .object([
                                "id": .string(view.id(provider.peer.id)),
                                "addresses": .strings(provider.addresses.map(\.description)),
                            ])
                        }), "elapsedMs": .int(milliseconds),
                ]).text)
        } else if !providers.isEmpty {
            var table = TextTable(
                [.init(title: "PEER", minimum: 14, cut: .middle), .init(title: "ADDRESS", minimum: 16)],
                terminal: output.terminal)
            let rows = providers.map { provider -> [TextTable.Cell] in
                [.init(view.id(provider.peer.id)), .init(view.addresses(provider.addresses))]
            }
            table.layOut(rows)
            for line in [table.header] + rows.map(table.line) { try output.line(line) }
        }
        try output.flush()
    }
}
