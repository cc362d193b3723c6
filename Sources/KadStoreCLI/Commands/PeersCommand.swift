import ArgumentParser
import KadStore
import Kademlia

struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "List peers, or show one with all its history.",
        discussion: """
            Without PEER: the peers that meet all conditions, in the order of their keys. With PEER: everything that \
            is remembered of it. PEER is an id, an address that ends in one, a key, the beginning of either, or an \
            id as this list shows it (12D3KooWGz...KXtf).

            EXAMPLES:
              kadstore peers --answered --since 6h
              kadstore peers --agent kubo --protocol /ipfs/kad/1.0.0 --limit 20
              kadstore peers --group 203.0.113.0/24 --standing failing
              kadstore peers --near "hello world" --bucket 3
              kadstore peers 3fa94c21d0

            JSON: {version, peers: [peer], isComplete}
            JSON with PEER: {version, peer: peer}
            \(PeerView.jsonShape)
            """)

    @Argument(help: "The peer to show.")
    var peer: String?

    @OptionGroup(title: "Which peers") var filter: FilterOptions

    @Option(help: ArgumentHelp("The most peers to print.", valueName: "count"))
    var limit: Int?

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard limit ?? 1 > 0 else { throw ValidationError("--limit is at least 1.") }
        guard peer == nil || !(filter.isGiven || limit != nil) else {
            throw ValidationError("Filters are for lists: with a peer there is nothing to choose from.")
        }
    }

    func run() async throws {
        try await database.reading { store in
            var output = Output()
            let view = PeerView(network: store.network, terminal: output.terminal, now: Instant.systemClock())
            if let peer {
                let record = try PeerFinder(store).record(peer)
                if self.output.isJSON {
                    try output.line(JSON.object(["version": JSON.formatVersion, "peer": view.json(record)]).text)
                } else {
                    for line in view.detail(record) { try output.line(line) }
                }
            } else if self.output.isJSON {
                try printJSON(store, view, &output)
            } else {
                try printList(store, view, &output)
            }
            try output.flush()
        }
    }

    private func printJSON(_ store: Store, _ view: PeerView, _ output: inout Output) throws {
        try output.write("{\"version\":\(JSON.formatVersion.text),\"peers\":[")
        var isFirst = true
        let (isComplete, damaged) = try forEachPage(of: store, now: view.now) { records in
            for record in records {
                try output.write((isFirst ? "\n" : ",\n") + view.json(record).text)
                isFirst = false
            }
        }
        try output.line("\n],\"isComplete\":\(isComplete && damaged == 0)}")
        try output.flush()
        if damaged > 0 { throw CommandError.damagedPeers(damaged) }
    }

    private func printList(_ store: Store, _ view: PeerView, _ output: inout Output) throws {
        var table: TextTable?
        var count = 0
        let (isComplete, damaged) = try forEachPage(of: store, now: view.now) { records in
            let rows = records.map(view.listRow)
            if table == nil, !rows.isEmpty {
                var first = TextTable(view.listColumns, terminal: output.terminal)
                first.layOut(rows)
                table = first
                try output.line(first.header)
            }
            guard let table else { return }
            for row in rows { try output.line(table.line(row)) }
            count += rows.count
        }
        try output.flush()
        let terminal = Terminal.standardError
        let found = count == 0 ? "no peers" : terminal.count(count, "peer")
        Messages.note(isComplete ? found : "\(found); there are more (--limit)")
        if damaged > 0 { throw CommandError.damagedPeers(damaged) }
    }

    /// Hands over the wanted peers page by page; each page is a read of its own.
    ///
    /// - Returns: false when the limit cut the list short, and how many peers were left out because their rows are damaged.
    private func forEachPage(
        of store: Store, now: Instant, _ body: ([PeerRecord]) throws -> Void
    ) throws -> (isComplete: Bool, damaged: Int) {
        var damaged = 0
        let filter = try self.filter.filter(in: store, now: now)
        var left = limit ?? .max
        var next: Key?
        repeat {
            let page = try store.peers(after: next, where: filter)
            try body(Array(page.peers.prefix(left)))
            damaged += page.damaged.count
            if page.peers.count > left { return (false, damaged) }
            left -= page.peers.count
            next = page.next
        } while next != nil
        return (true, damaged)
    }
}
