import ArgumentParser
import KadStore
import Kademlia

struct PruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Forget peers by rules, old candidates and tombstones, and what has expired.",
        discussion: """
            Peers that meet all the conditions go; without any condition none do. Contacts of a k-bucket and of its \
            replacement cache stay in any case. A peer that had failed leaves a tombstone, so that gossip does not \
            bring it back with a clean slate. Works while a node writes, in short transactions: interrupted, what is \
            done is done (3), and the same command goes on. The room is used again by later peers; 'kadstore vacuum' \
            gives it back.

            EXAMPLES:
              kadstore prune --dry-run --never-answered --not-seen-since 30d
              kadstore prune --failing 10 --not-seen-since 7d
              kadstore prune --keep 100000
              kadstore prune --source file:crawl.ndjson --unroutable
              kadstore prune --candidates 30d --tombstones 60d --expired

            JSON: {version, path: text, isDryRun, peers: {examined, pruned, contactsKept, tombstonesLeft, damaged}, \
            candidatesPruned, tombstonesPruned, valuesPruned, providersPruned}
            """)

    @OptionGroup(title: "Which peers") var filter: FilterOptions

    @Option(help: ArgumentHelp("Peers that were not seen or heard of since: \(Moment.help).", valueName: "when"))
    var notSeenSince: Moment?

    @Flag(help: "Peers that have never answered.")
    var neverAnswered = false

    @Option(help: ArgumentHelp("Peers that failed at least so often since they last answered.", valueName: "times"))
    var failing: Int?

    @Flag(help: "Peers without an address that the scope of the store admits.")
    var unroutable = false

    @Option(
        help: ArgumentHelp(
            "Of the peers that meet the conditions, keep so many: those that answered, then names; of each, those "
                + "that fail least and were seen last.", valueName: "count"))
    var keep: Int?

    @Option(help: ArgumentHelp("Candidates (addresses without ids) that were not heard of since.", valueName: "when"))
    var candidates: Moment?

    @Option(help: ArgumentHelp("Tombstones that were left before.", valueName: "when"))
    var tombstones: Moment?

    @Flag(help: "Values and providers that are kept for the network and have expired.")
    var expired = false

    @Flag(help: "Count what would go, and change nothing.")
    var dryRun = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard failing ?? 1 > 0 else { throw ValidationError("--failing is at least 1.") }
        guard keep ?? 0 >= 0 else { throw ValidationError("--keep is at least 0.") }
    }

    func run() async throws {
        let command = self
        let report = try await Interruption.cancelling { try await command.prune() }
        if output.isJSON {
            var output = Output()
            try output.line(json(report).text)
            try output.flush()
        } else {
            tell(report)
        }
        if report.damaged > 0 { throw CommandError.damagedPeers(report.damaged) }
    }

    private func rules(_ store: Store) throws -> PruneRules {
        let now = Instant.systemClock()
        var rules = PruneRules()
        let filter = try self.filter.filter(in: store, now: now)
        if filter != .all { rules.conditions.append(.matches(filter)) }
        if let notSeenSince { rules.conditions.append(.notSeen(since: notSeenSince.instant(now: now))) }
        if neverAnswered { rules.conditions.append(.neverAnswered) }
        if let failing { rules.conditions.append(.failing(times: failing)) }
        if unroutable { rules.conditions.append(.unroutable) }
        rules.keep = keep
        rules.candidatesNotSeenSince = candidates?.instant(now: now)
        rules.tombstonesBefore = tombstones?.instant(now: now)
        if expired { rules.expiredBy = now }
        guard !rules.isEmpty else {
            throw CommandError.usage(
                "say what may go: a condition on peers, --keep, --candidates, --tombstones or --expired.")
        }
        return rules
    }

    private func prune() async throws -> PruneReport {
        let progress = Progress(dryRun ? "Looking" : "Pruning", unit: "rows")
        defer { progress.finish() }
        return try await database.using(dryRun ? .readOnly : .readWrite) { store in
            let chosen = try self.rules(store)
            do throws(StoreError) {
                return try await store.prune(chosen, isDryRun: dryRun, progress: { progress.update($0) })
            } catch .interrupted(let done) {
                let terminal = Terminal.standardError
                throw CommandError.interrupted(
                    dryRun
                        ? "interrupted: nothing was changed."
                        : "interrupted: \(terminal.count(done, "row")) gone. Run the same command again to go on.")
            }
        }
    }

    private func tell(_ report: PruneReport) {
        let terminal = Terminal.standardError
        var gone = [terminal.count(report.peers, "peer")]
        if candidates != nil { gone.append(terminal.count(report.candidates, "candidate")) }
        if tombstones != nil { gone.append(terminal.count(report.tombstones, "tombstone")) }
        if expired {
            gone.append(terminal.count(report.expired.values, "value"))
            gone.append(terminal.count(report.expired.providers, "provider"))
        }
        var notes: [String] = []
        if report.contactsKept > 0 {
            notes.append("\(terminal.count(report.contactsKept, "contact")) of k-buckets kept")
        }
        if report.tombstonesLeft > 0 { notes.append("\(terminal.count(report.tombstonesLeft, "tombstone")) left") }
        Messages.line(
            "\(dryRun ? "Would prune" : "Pruned") \(gone.joined(separator: ", "))"
                + (notes.isEmpty ? "." : "; \(notes.joined(separator: ", "))."))
    }

    private func json(_ report: PruneReport) -> JSON {
        .object([
            "version": JSON.formatVersion, "path": .string(database.path), "isDryRun": .bool(dryRun),
            "peers": .object([
                "examined": .int(report.examined), "pruned": .int(report.peers),
                "contactsKept": .int(report.contactsKept), "tombstonesLeft": .int(report.tombstonesLeft),
                "damaged": .int(report.damaged),
            ]),
            "candidatesPruned": .int(report.candidates), "tombstonesPruned": .int(report.tombstones),
            "valuesPruned": .int(report.expired.values), "providersPruned": .int(report.expired.providers),
        ])
    }
}
