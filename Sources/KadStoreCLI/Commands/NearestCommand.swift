import ArgumentParser
import KadStore
import Kademlia

struct NearestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nearest",
        abstract: "Print the peers nearest to a target, in the exact XOR order.",
        discussion: """
            The target is a peer id (or an address that ends in one), a key in hexadecimal (0x and an even number of \
            digits: the beginning of a key, filled up with zeros), or any text, whose SHA-256 is taken. How it was \
            understood is said on standard error, with the rows and index searches that the answer took.

            EXAMPLES:
              kadstore nearest 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf
              kadstore nearest "hello world" --count 5
              kadstore nearest 0x3fa9 --dialable --answered-since 1d
              kadstore nearest Quantum --as text --json

            JSON: {version, target: {text: text, kind: "peer-id" or "key" or "text", key: text}, peers: [{id: text, key: \
            text, commonPrefixBits, addresses: [text]}], isExact, rowsRead, seeks, rowsRejected}
            """)

    @Argument(help: "A peer id, a key in hexadecimal, or text to hash.")
    var target: String

    @Option(help: "How many peers.")
    var count = 20

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("Take the target as a peer-id, a key or a text, whatever it looks like.", valueName: "kind"))
    var kind: Target.Kind?

    @Option(help: "The most rows to read. A search that ends there says that its answer is inexact.")
    var maxRows: Int?

    @OptionGroup(title: "Which peers count") var filter: FilterOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard count > 0 else { throw ValidationError("--count is at least 1.") }
        guard maxRows ?? 1 > 0 else { throw ValidationError("--max-rows is at least 1.") }
    }

    func run() async throws {
        let answer = try await database.reading { store in
            let target = try Target(self.target, as: kind, in: store.network)
            Messages.note(target.explanation(in: store.network, .standardError))
            return try Answer(
                store, target, count: count, filter: filter.filter(in: store, now: Instant.systemClock()),
                maxRows: maxRows)
        }
        var output = Output()
        if self.output.isJSON {
            try output.line(answer.json.text)
        } else {
            for line in answer.lines(output.terminal) { try output.line(line) }
        }
        try output.flush()
        Messages.note(answer.summary(.standardError))
    }
}

extension NearestCommand {
    /// The nearest peers and what they cost, over as many pages as it takes.
    struct Answer {
        let network: Network
        let target: Target
        private(set) var peers: [NearestPeer] = []
        private(set) var isExact = true
        private(set) var cost = NearestWalk.Cost()

        init(_ store: Store, _ target: Target, count: Int, filter: PeerFilter, maxRows: Int?) throws {
            network = store.network
            self.target = target
            var token: NearestToken?
            repeat {
                let page = try store.nearest(
                    to: target.key, count: min(count - peers.count, Store.maximumPageCount), where: filter,
                    maxRows: maxRows.map { max(1, $0 - cost.rows) }, after: token)
                peers += page.peers
                cost.rows += page.cost.rows
                cost.seeks += page.cost.seeks
                cost.rejected += page.cost.rejected
                isExact = page.isExact
                token = page.next
            } while token != nil && isExact && peers.count < count
        }

        var json: JSON {
            let view = PeerView(network: network, terminal: .standardOutput, now: Instant(milliseconds: 0))
            return .object([
                "version": JSON.formatVersion,
                "target": .object([
                    "text": .string(target.text), "kind": .string(target.kind.rawValue),
                    "key": .string(view.key(target.key)),
                ]),
                "peers": .array(
                    peers.map { peer in
                        .object([
                            "id": .string(view.id(peer.id)), "key": .string(view.key(peer.key)),
                            "commonPrefixBits": .int(sharedBits(peer)),
                            "addresses": .strings(peer.addresses.map(\.description)),
                        ])
                    }),
                "isExact": .bool(isExact), "rowsRead": .int(cost.rows), "seeks": .int(cost.seeks),
                "rowsRejected": .int(cost.rejected),
            ])
        }

        func lines(_ terminal: Terminal) -> [String] {
            guard !peers.isEmpty else { return [] }
            let view = PeerView(network: network, terminal: terminal, now: Instant(milliseconds: 0))
            var columns: [TextTable.Column] = [
                .init(title: "#", alignment: .right), .init(title: "BITS", alignment: .right),
            ]
            if !view.keysAreIDs { columns.append(.init(title: "KEY")) }
            columns += [
                .init(title: "PEER", minimum: 14, cut: .middle), .init(title: "ADDRESS", minimum: 16, isOptional: true),
            ]
            var table = TextTable(columns, terminal: terminal)
            let rows = peers.enumerated().map { index, peer -> [TextTable.Cell] in
                var row: [TextTable.Cell] = [.init("\(index + 1)", .dim), .init("\(sharedBits(peer))")]
                if !view.keysAreIDs { row.append(.init(view.shortKey(peer.key), .cyan)) }
                return row + [.init(view.id(peer.id)), .init(view.addresses(peer.addresses))]
            }
            table.layOut(rows)
            return [table.header] + rows.map(table.line)
        }

        func summary(_ terminal: Terminal) -> String {
            let found = peers.isEmpty ? "no peers" : terminal.count(peers.count, "peer")
            let exactness = isExact ? "exact" : "inexact: the search ended at --max-rows"
            let reads = "\(terminal.count(cost.rows, "row")), \(terminal.count(cost.seeks, "seek"))"
            var text = "\(found), \(exactness); read \(reads)"
            if cost.rejected > 0 { text += ", \(terminal.count(cost.rejected, "row")) rejected" }
            return text
        }

        private func sharedBits(_ peer: NearestPeer) -> Int {
            min(network.keyBits, peer.key.commonPrefixLength(with: target.key))
        }
    }
}
