import ArgumentParser
import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats

struct LookupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lookup",
        abstract: "Search the network for the peers nearest to a key, or for a peer.",
        discussion: """
            Asks peers, beginning with those that the store knows nearest, for nearer ones, until the 20 nearest have \
            answered; prints these, nearest first, with how long each took. What was learnt of everybody is in the store \
            afterwards. A node may be running on it.

            KEY is a peer id (or an address that ends in one), a key of a value (/pk/ID, /ipns/ID, /namespace/name), a \
            CID, 0x and hexadecimal digits for any bytes, or any text. libp2p's peers hash what they are asked for. When \
            nobody answers the exit status is 1, when the time is over first it is 3.

            EXAMPLES:
              kadstore lookup 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf
              kadstore lookup "hello world" --timeout 10s
              kadstore lookup /pk/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf --json

            JSON: {version, target: {text: text, kind: "peer-id" or "key", key: text}, reason: "complete" or "converged" \
            or "exhausted" or "query-limit" or "time-limit", peers: [{id: text, key: text, commonPrefixBits, rttUs or \
            null, addresses: [text]}], queries, answers, failures, skipped, hops, elapsedMs}
            """)

    @Argument(help: "A peer id, a key, a CID, or text.")
    var key: String

    @Option(help: "How many peers.")
    var count = 20

    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard (1...1_000).contains(count) else { throw ValidationError("--count is between 1 and 1000.") }
    }

    func run() async throws {
        let command = self
        let (answer, fault) = try await Interruption.cancelling {
            try await command.database.answeringLibp2p { store in
                let target = try NetworkTarget(command.key, in: store)
                Messages.note(target.explanation(.standardError))
                let bootstrap = try PeerAddresses.peers(command.client.bootstrap)
                return try await ClientNode.with(store, bootstrap: bootstrap, log: command.client.log) { node in
                    try await command.search(target, node)
                }
            }
        }
        var output = Output()
        if self.output.isJSON {
            try output.line(answer.json.text)
        } else {
            for line in answer.lines(output.terminal) { try output.line(line) }
        }
        try output.flush()
        Messages.note(answer.summary(.standardError))
        if let fault { throw fault }
        if answer.reason == .timeLimit { throw CommandError.outOfTime("the search had not come to its end.") }
        if answer.peers.isEmpty { throw CommandError.nothingFound("nobody answered.") }
    }

    private func search(_ target: NetworkTarget, _ node: KadNode) async throws -> LookupAnswer {
        var configuration = EngineConfiguration().lookup
        configuration.k = count
        configuration.maximumMilliseconds = client.timeout.milliseconds
        var times: [Key: Int64] = [:]
        for await event in await node.lookup(target.target, options: LookupOptions(configuration: configuration)) {
            switch event {
            case .answered(let peer, _, let rtt): times[peer.key] = rtt
            case .finished(let reason, let statistics, let closest):
                guard reason != .cancelled else { break }
                return LookupAnswer(
                    target: target, reason: reason, statistics: statistics,
                    peers: closest.map { .init(peer: $0, rtt: times[$0.peer.key]) })
            default: continue
            }
        }
        throw CommandError.interrupted("interrupted: what was learnt of peers is in the store.")
    }
}

/// What is searched for in the network: bytes that peers hash.
struct NetworkTarget: Sendable {
    let target: LookupTarget
    let isPeer: Bool
    let text: String

    init(_ text: String, in store: Store) throws {
        self.text = text
        guard !text.isEmpty else { throw CommandError.usage("the key is empty.") }
        if let id = try Self.peerID(text, in: store.network) {
            isPeer = true
            target = LookupTarget(try store.peer(id))
        } else {
            isPeer = false
            let isValue = text.hasPrefix("/pk/") || text.hasPrefix("/ipns/")
            let bytes = (isValue ? try ContentKey.value(text) : try ContentKey.content(text)).bytes
            target = LookupTarget(key: store.network.target(hashing: bytes), preimage: bytes)
        }
    }

    /// The id that the text is, or that an address ends in; nil when it looks like something else.
    private static func peerID(_ text: String, in network: Network) throws -> PeerID? {
        if ContentID.multihash(of: text) == nil || text.hasPrefix("Qm") {
            let target = try Target(text, in: network)
            return target.kind == .peerID ? try Target.peerID(text, in: network) : nil
        }
        // A CID: of a key, the id of whose key it is.
        return try? network.idEncoding.decode(text)
    }

    func explanation(_ terminal: Terminal) -> String {
        let hex = target.key.hex()
        if isPeer { return "target: peer \(terminal.safe(text)), key \(hex)" }
        return "target: SHA-256 of 0x\(Hex.encode(target.preimage ?? [])), \(hex)"
    }

    var json: JSON {
        .object([
            "text": .string(text), "kind": .string(isPeer ? "peer-id" : "key"), "key": .string(target.key.hex()),
        ])
    }
}

/// What a lookup has found, and what it took.
struct LookupAnswer: Sendable {
    struct Near: Sendable {
        let peer: FoundPeer
        /// How long it took to answer, in microseconds.
        let rtt: Int64?
    }

    let target: NetworkTarget
    let reason: Lookup.FinishReason
    let statistics: LookupStatistics
    let peers: [Near]

    private func view(_ terminal: Terminal) -> PeerView {
        PeerView(network: .libp2p, terminal: terminal, now: Instant(milliseconds: 0))
    }

    private func sharedBits(_ near: Near) -> Int { near.peer.peer.key.commonPrefixLength(with: target.target.key) }

    var json: JSON {
        let view = view(.standardOutput)
        return .object([
            "version": JSON.formatVersion, "target": target.json, "reason": .string(reason.name),
            "peers": .array(
                peers.map { near in
                    .object([
                        "id": .string(view.id(near.peer.peer.id)), "key": .string(view.key(near.peer.peer.key)),
                        "commonPrefixBits": .int(sharedBits(near)), "rttUs": .optional(near.rtt),
                        "addresses": .strings(near.peer.addresses.map(\.description)),
                    ])
                }),
            "queries": .int(statistics.queries), "answers": .int(statistics.answers),
            "failures": .int(statistics.failures), "skipped": .int(statistics.skipped), "hops": .int(statistics.hops),
            "elapsedMs": .int(statistics.milliseconds),
        ])
    }

    func lines(_ terminal: Terminal) -> [String] {
        guard !peers.isEmpty else { return [] }
        let view = view(terminal)
        var table = TextTable(
            [
                .init(title: "#", alignment: .right), .init(title: "BITS", alignment: .right), .init(title: "KEY"),
                .init(title: "PEER", minimum: 14, cut: .middle), .init(title: "RTT", alignment: .right),
                .init(title: "ADDRESS", minimum: 16, isOptional: true),
            ], terminal: terminal)
        let rows = peers.enumerated().map { index, near -> [TextTable.Cell] in
            [
                .init("\(index + 1)", .dim), .init("\(sharedBits(near))"),
                .init(view.shortKey(near.peer.peer.key), .cyan), .init(view.id(near.peer.peer.id)),
                .init(near.rtt.map(terminal.microseconds) ?? "-"), .init(view.addresses(near.peer.addresses)),
            ]
        }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    func summary(_ terminal: Terminal) -> String {
        let found = peers.isEmpty ? "no peers" : terminal.count(peers.count, "peer")
        var text = "\(found), \(reason.name); \(terminal.count(statistics.queries, "query", "queries")), "
        text += "\(terminal.count(statistics.answers, "answer")), \(terminal.count(statistics.failures, "failure"))"
        if statistics.skipped > 0 { text += ", \(terminal.count(statistics.skipped)) passed over" }
        text += ", \(terminal.count(statistics.hops, "hop"))"
        return text + " in \(terminal.microseconds(statistics.milliseconds * 1_000))"
    }
}
