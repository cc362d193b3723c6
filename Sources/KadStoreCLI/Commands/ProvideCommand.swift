import ArgumentParser
import KadLibp2p
import KadNode
import KadStore
import Kademlia

struct ProvideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provide",
        abstract: "Tell the peers nearest to a key that this store's node provides it.",
        discussion: """
            KEY is a CID, 0x and hexadecimal digits, or any text as it is. What is announced is the node whose key lies \
            beside the store (or is named by --identity); that it provides the key is kept in the store, and a node that \
            is started on it tells it again before peers forget it. When nobody takes it the exit status is 1; when fewer \
            take it than do not, or the time is over before all were asked, 3.

            EXAMPLES:
              kadstore provide bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi --address /ip4/203.0.113.7/tcp/4001
              kadstore provide QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR --address /dns4/example.org/tcp/4001 --json

            JSON: {version, key: contentKey, peer: text, accepted: [text (ids of peers)], failed: [{id: text, class: \
            text}], elapsedMs}
            \(ContentKey.jsonShape)
            """)

    @Argument(help: "A CID, 0x and hexadecimal digits, or text.")
    var key: String

    @Option(
        help: ArgumentHelp(
            "Where the node can be reached; may be repeated. Peers keep no provider that cannot be reached.",
            valueName: "address"))
    var address: [AddressArgument] = []

    @OptionGroup var identity: IdentityOptions
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard !address.isEmpty else { throw ValidationError("Say where the node can be reached: --address.") }
        try PeerAddresses.checkAnnouncing(address, option: "--address")
    }

    func run() async throws {
        let key = try ContentKey.content(self.key)
        let command = self
        let start = ContinuousClock.now
        let ((peer, report), fault) = try await Interruption.cancelling {
            try await command.database.answeringLibp2p { store in
                let keys = try KeyPair(contentsOf: command.identity.path(of: command.database))
                let report = try await ClientNode.asking(
                    store, command.client, keys: keys, addresses: command.address.map(\.address)
                ) { node in try await node.provide(key.bytes) }
                return (store.network.idEncoding.encode(keys.peerID), report)
            }
        }
        try SpreadReport(key: key, report: report, milliseconds: ElapsedTime.milliseconds(since: start))
            .show(isJSON: output.isJSON, "know it", extra: [("peer", .string(peer))])
        if let fault { throw fault }
    }
}
