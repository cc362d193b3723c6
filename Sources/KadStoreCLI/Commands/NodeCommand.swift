import ArgumentParser
import KadStore

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a node of libp2p's DHT that remembers: warm-started from the store, which it keeps up to date.",
        discussion: """
            The table of the last life is usable at once; it is verified, refreshed and revalidated while the node runs, \
            and serves others. --bootstrap is asked only while the store knows too few. Where there is no store, one is \
            created; for nodes on one machine or in a laboratory it needs --scope private. The node's own key is kept \
            beside it. Other commands, clients such as 'kadstore lookup' among them, work on the store meanwhile.

            SIGTERM and Ctrl-C end it cleanly, with status 0; a second one ends it at once. A node that is killed loses \
            the last second of what it learnt, a loss of power takes at most the last 30 seconds.

            Values are taken where they can be judged: /pk and /ipns. --accept takes those of other namespaces as they \
            come, from anybody.

            EXAMPLES:
              kadstore node --db node.db --bootstrap /ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ
              kadstore node --listen /ip4/0.0.0.0/tcp/4001 --listen /ip6/::/tcp/4001 --metrics 9464
              kadstore node --db lab.db --scope private --listen /ip4/127.0.0.1/tcp/0 --accept test --json

            JSON: {version, event: "listening" or "ready" or "stopped", atMs, peer: text, addresses: [text], contacts, \
            metrics: text or null} (a line for each event; ready: everybody remembered who was to be asked was asked)
            """)

    @Option(
        help: ArgumentHelp(
            "Where to listen; may be repeated; port 0 lets the system choose. (default: /ip4/0.0.0.0/tcp/4001)",
            valueName: "address"))
    var listen: [AddressArgument] = []

    @Option(
        help: ArgumentHelp(
            "Where others are told that the node is, beside where it listens; may be repeated.", valueName: "address"))
    var announce: [AddressArgument] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Whom to ask when the store knows too few: addresses with /p2p/ID.", valueName: "address"))
    var bootstrap: [AddressArgument] = []

    @Option(
        help: ArgumentHelp(
            "Which addresses a new store admits: public ones alone, or private and loopback ones too."))
    var scope: Scope?

    @Flag(help: "Check the whole database first; where it is damaged, salvage it, keep the damaged one, and go on.")
    var salvage = false

    @Option(
        help: ArgumentHelp(
            "Serve Prometheus metrics at /metrics: a port (of loopback), or an address and a port.",
            valueName: "address"))
    var metrics: MetricsAddress?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Take values under /NAMESPACE/ as they come.", valueName: "namespace"))
    var accept: [String] = []

    @OptionGroup var identity: IdentityOptions
    @OptionGroup var log: LogOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        try AcceptedNamespaces.check(accept)
        try PeerAddresses.checkListening(listen)
        try PeerAddresses.checkAnnouncing(announce)
    }

    func run() async throws {
        let run = NodeRun(command: self)
        try await Interruption.cancelling { try await run.run() }
    }
}
