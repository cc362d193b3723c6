import ArgumentParser
import KadEngine
import KadStore
import Kademlia

struct WarmCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "warm",
        abstract: "Print whom a node would ask first if it started now, in which order, and why.",
        discussion: """
            A node that starts uses its restored table at once and verifies it by paced probes: those that answered \
            last (anchor), some of every bucket (coverage), a weighted draw from everybody (seed), and the rest of the \
            table (member). No network group and no source fills the plan.

            Some choices are drawn: --seed gives another draw. Nothing is sent, and nothing is written.

            EXAMPLES:
              kadstore warm --dry-run
              kadstore warm --dry-run --near 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf --limit 30

            JSON: {version, identity: {number, id: text, label: text} or null, key: text, contacts, leftOut, probes: \
            [{id: text, key: text, tier: text, bucket, dueMs, reason: text}]}
            """)

    @Flag(help: "Print the plan. Without a node there is nobody to carry it out, so this is required.")
    var dryRun = false

    @Option(help: ArgumentHelp("An identity of the store: its number, label or id.", valueName: "identity"))
    var identity: String?

    @Option(help: ArgumentHelp("Plan for a node with this peer id, key or text instead.", valueName: "target"))
    var near: String?

    @Option(help: "The seed of what is drawn.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The most probes to print.", valueName: "count"))
    var limit: Int?

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard dryRun else {
            throw ValidationError("Say --dry-run: this command shows the plan, a node carries it out.")
        }
        guard identity == nil || near == nil else { throw ValidationError("Choose one of --identity and --near.") }
        guard limit ?? 1 > 0 else { throw ValidationError("--limit is at least 1.") }
    }

    func run() async throws {
        try await database.reading { store in
            let now = Instant.systemClock()
            let (table, chosen) = try self.table(of: store)
            var generator = SeededGenerator(seed: seed)
            let warm = try WarmPlanner(store: store, table: table, at: now).warmStart(
                lastMark: store.clock()?.highWater, at: Uptime(milliseconds: 0), using: &generator)
            let probes = Array(warm.plan.prefix(limit ?? .max))
            var output = Output()
            let view = PeerView(network: store.network, terminal: output.terminal, now: now)
            let ids = try probes.map { probe in try store.record(of: probe.key).map { view.id($0.id) } ?? "" }
            if self.output.isJSON {
                try output.line(
                    json(warm, probes, ids, table, chosen, view).text)
            } else {
                for line in lines(probes, ids, view) { try output.line(line) }
            }
            try output.flush()
            let terminal = Terminal.standardError
            Messages.note(
                "\(terminal.count(table.count, "contact")) restored, usable at once; "
                    + terminal.count(warm.plan.count, "probe")
                    + (warm.statistics.leftOut > 0
                        ? ", \(terminal.count(warm.statistics.leftOut)) left out by their backoff" : ""))
        }
    }

    private func table(of store: Store) throws -> (RoutingTable, Identity?) {
        if let near {
            let target = try Target(near, in: store.network)
            Messages.note(target.explanation(in: store.network, .standardError))
            return (RoutingTable(localKey: target.key, configuration: store.tableConfiguration), nil)
        }
        let identities = try IdentityChoice.identities(identity, of: store)
        guard let first = identities.first else {
            throw CommandError.usage("no node has kept its table here: say --near ID to plan for one.")
        }
        guard identities.count == 1 else {
            throw CommandError.usage("the store has several identities: say which one with --identity.")
        }
        return (try store.routingTable(of: first, configuration: store.tableConfiguration).table, first)
    }

    private func lines(_ probes: [WarmStart.Probe], _ ids: [String], _ view: PeerView) -> [String] {
        guard !probes.isEmpty else { return [] }
        var table = TextTable(
            [
                .init(title: "#", alignment: .right), .init(title: "AFTER", alignment: .right), .init(title: "TIER"),
                .init(title: "BUCKET", alignment: .right), .init(title: "PEER", minimum: 14, cut: .middle),
                .init(title: "WHY", minimum: 16, isOptional: true),
            ], terminal: view.terminal)
        let rows = zip(probes, ids).enumerated().map { index, entry -> [TextTable.Cell] in
            let (probe, id) = entry
            return [
                .init("\(index + 1)", .dim), .init(Span.text(milliseconds: probe.due.milliseconds)),
                .init(probe.tier.name), .init("\(probe.bucket)"), .init(id), .init("\(probe.reason)", .dim),
            ]
        }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    private func json(
        _ warm: WarmStart, _ probes: [WarmStart.Probe], _ ids: [String], _ table: RoutingTable, _ identity: Identity?,
        _ view: PeerView
    ) -> JSON {
        .object([
            "version": JSON.formatVersion,
            "identity": identity.map { identity in
                .object([
                    "number": .int(identity.number), "id": .string(view.id(identity.peer.id)),
                    "label": .string(identity.label),
                ])
            } ?? .null,
            "key": .string(view.key(table.localKey)), "contacts": .int(table.count),
            "leftOut": .int(warm.statistics.leftOut),
            "probes": .array(
                zip(probes, ids).map { probe, id in
                    .object([
                        "id": .string(id), "key": .string(view.key(probe.key)), "tier": .string(probe.tier.name),
                        "bucket": .int(probe.bucket), "dueMs": .int(probe.due.milliseconds),
                        "reason": .string("\(probe.reason)"),
                    ])
                }),
        ])
    }
}
