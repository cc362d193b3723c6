import ArgumentParser
import KadStore
import Kademlia

struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Count what the store holds.",
        discussion: """
            EXAMPLES:
              kadstore stats
              kadstore stats --db lab.db --json

            JSON: {version, path: text, network: {name: text, scope: "public" or "private", keyDerivation: text, \
            keyBits}, createdAtMs, peerCap, peers, answered, unverified, failing, backedOff, openBreakers, \
            heldFailures, addresses, peersWithoutAddress, candidates, tombstones, identities, contacts, replacements, \
            values: kept, providers: kept, crawls, latestCrawl: crawl or null, firstSeenMs or null, lastSeenMs or null, \
            lastOkMs or null, rttUs: {count, p10, p50, p90, p99} or null, \
            failures: [{class: text, count}], sources: [named], agents: [named], protocolSets: [named], onlineMs, \
            lookups: {count, queries, answers, failures, timeouts, skipped, ends: [{reason: text, count}], recent: \
            {count, durationMs: spread or null, queries: spread or null, timeouts: spread or null, hops: spread or \
            null} (the last 1,024)}, fileBytes, logBytes, bytesPerPeer: number or null, schema}
            named = {name: text, count} (the 10 most frequent)
            spread = {p50, p90, p99}
            kept = {count, bytes, own} (own: how many were published here)
            crawl = {startedAtMs, endedAtMs or null, state: "running" or "complete" or "stopped", visited, answered, \
            failed, leftOut}
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        try await database.reading { store in
            let statistics = try await store.statistics()
            var output = Output()
            if self.output.isJSON {
                try output.line(Self.json(statistics, store).text)
            } else {
                let view = StatisticsView(terminal: output.terminal, now: Instant.systemClock())
                for line in view.lines(statistics, store) { try output.line(line) }
            }
            try output.flush()
        }
    }

    /// The document, which a report shows number by number.
    static func json(_ statistics: Statistics, _ store: Store) -> JSON {
        func named(_ list: [Statistics.Named], _ name: String = "name") -> JSON {
            .array(list.map { .object([name: .string($0.name), "count": .int($0.count)]) })
        }
        let rtt = statistics.rtt.map { rtt -> JSON in
            .object([
                "count": .int(rtt.count), "p10": .int(rtt.p10), "p50": .int(rtt.p50), "p90": .int(rtt.p90),
                "p99": .int(rtt.p99),
            ])
        }
        return .object([
            "version": JSON.formatVersion, "path": .string(store.path),
            "network": .object([
                "name": .string(store.network.name), "scope": .string(store.scope.rawValue),
                "keyDerivation": .string(store.network.derivation.rawValue), "keyBits": .int(store.network.keyBits),
            ]),
            "createdAtMs": .int(store.createdAt.milliseconds), "peerCap": .int(store.peerCap),
            "peers": .int(statistics.peers), "answered": .int(statistics.answered),
            "unverified": .int(statistics.unverified), "failing": .int(statistics.failing),
            "backedOff": .int(statistics.backedOff), "openBreakers": .int(statistics.openBreakers),
            "heldFailures": .int(statistics.heldFailures), "addresses": .int(statistics.addresses),
            "peersWithoutAddress": .int(statistics.peersWithoutAddress),
            "candidates": .int(statistics.candidates), "tombstones": .int(statistics.tombstones),
            "identities": .int(statistics.identities), "contacts": .int(statistics.contacts),
            "replacements": .int(statistics.replacements),
            "values": json(statistics.holdings.values, own: statistics.holdings.ownValues),
            "providers": json(statistics.holdings.providers, own: statistics.holdings.ownProviders),
            "crawls": .int(statistics.crawls.count), "latestCrawl": statistics.crawls.first.map(json) ?? .null,
            "firstSeenMs": .optional(statistics.firstSeen?.milliseconds),
            "lastSeenMs": .optional(statistics.lastSeen?.milliseconds),
            "lastOkMs": .optional(statistics.lastOK?.milliseconds), "rttUs": rtt ?? .null,
            "failures": named(statistics.failures, "class"), "sources": named(statistics.sources),
            "agents": named(statistics.agents), "protocolSets": named(statistics.protocols),
            "onlineMs": .int(statistics.onlineMilliseconds), "lookups": json(statistics.lookups),
            "fileBytes": .int(statistics.fileBytes), "logBytes": .int(statistics.logBytes),
            "bytesPerPeer": statistics.bytesPerPeer.map(JSON.double) ?? .null, "schema": .int(statistics.schema),
        ])
    }

    private static func json(_ others: Holdings.Amount, own: Holdings.Amount) -> JSON {
        let sum = others + own
        return .object(["count": .int(sum.count), "bytes": .int(sum.bytes), "own": .int(own.count)])
    }

    private static func json(_ crawl: Crawl) -> JSON {
        .object([
            "startedAtMs": .int(crawl.startedAt.milliseconds), "endedAtMs": .optional(crawl.endedAt?.milliseconds),
            "state": .string(crawl.state.rawValue), "visited": .int(crawl.visited), "answered": .int(crawl.answered),
            "failed": .int(crawl.failed), "leftOut": .int(crawl.leftOut),
        ])
    }

    private static func json(_ lookups: LookupHistory) -> JSON {
        func spread(_ cost: (LookupSummary) -> Int64) -> JSON {
            guard let spread = lookups.spread(cost) else { return .null }
            return .object(["p50": .int(spread.p50), "p90": .int(spread.p90), "p99": .int(spread.p99)])
        }
        return .object([
            "count": .int(lookups.count), "queries": .int(lookups.total(\.queries)),
            "answers": .int(lookups.total(\.answers)), "failures": .int(lookups.total(\.failures)),
            "timeouts": .int(lookups.total(\.timeouts)), "skipped": .int(lookups.total(\.skipped)),
            "ends": .array(
                lookups.totals.map { .object(["reason": .string($0.reason.name), "count": .int($0.lookups)]) }),
            "recent": .object([
                "count": .int(lookups.recent.count), "durationMs": spread(\.milliseconds),
                "queries": spread { Int64($0.queries) }, "timeouts": spread { Int64($0.timeouts) },
                "hops": spread { Int64($0.hops) },
            ]),
        ])
    }
}
