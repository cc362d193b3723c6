import ArgumentParser
import KadNode
import KadStore
import Kademlia

struct CrawlCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crawl",
        abstract: "Walk over a whole network into the store: ask every peer for everybody whom it knows.",
        discussion: """
            Begins with --bootstrap and everybody whom the store knows, asks each for the peers of each of its buckets, \
            and goes on with those that are new. Whom it is done with is in the store: interrupted or killed, the same \
            command goes on where it was. Peers whose backoff has not ended are left out; --all asks them too. What comes \
            of each peer is remembered as a node remembers it, so a node that starts on this store starts warm.

            Where there is no store, one is created. Interrupted, the exit status is 3.

            EXAMPLES:
              kadstore crawl --db net.db --bootstrap /ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ
              kadstore crawl --db lab.db --scope private --parallel 20
              kadstore crawl --db net.db --restart --json

            JSON: {version, path: text, startedMs, endedMs or null, isComplete, isResumed, peers, visited, answered, failed, \
            leftOut, remaining, requests (answered, in this run), elapsedMs (of this run), failures: [{class: text, \
            count}], agents: [{agent: text or null, count}] (of peers that answered, the 20 most frequent)}
            """)

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "With whom to begin, beside those whom the store knows: addresses with /p2p/ID.", valueName: "address"))
    var bootstrap: [AddressArgument] = []

    @Option(help: ArgumentHelp("How many peers to visit at a time.", valueName: "count"))
    var parallel = 100

    @Option(
        help: ArgumentHelp(
            "The most peers: whoever answers can name others that do not exist.", valueName: "count"))
    var limit = Crawler.Configuration().maximumPeers

    @Flag(help: "Ask peers whose backoff has not ended too.")
    var all = false

    @Flag(help: "Begin anew, though an earlier crawl was interrupted.")
    var restart = false

    @Option(
        help: ArgumentHelp(
            "Which addresses a new store admits: public ones alone, or private and loopback ones too."))
    var scope: Scope?

    @OptionGroup var log: LogOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard (1...1_000).contains(parallel) else { throw ValidationError("--parallel is between 1 and 1000.") }
        guard (1...10_000_000).contains(limit) else { throw ValidationError("--limit is between 1 and 10000000.") }
    }

    func run() async throws {
        let command = self
        let result = try await Interruption.cancelling {
            try await command.database.usingLibp2p(creating: command.scope ?? .public, expecting: command.scope) {
                try await command.crawl($0)
            }
        }
        if output.isJSON {
            var output = Output()
            try output.line(result.json.text)
            try output.flush()
        } else {
            for line in result.lines(.standardError) { Messages.line(line) }
        }
        if result.wasInterrupted {
            throw CommandError.interrupted(
                "interrupted: \(result.report.remaining) peers are left. The same command goes on where this one was.")
        }
        if result.report.crawl.answered == 0 { throw CommandError.nothingFound("nobody answered.") }
        if result.report.isTruncated {
            throw CommandError.partlyDone("there were more than --limit \(limit) peers: the others were left out.")
        }
    }

    private func crawl(_ store: Store) async throws -> CrawlResult {
        var configuration = Crawler.Configuration()
        configuration.parallel = parallel
        configuration.maximumPeers = limit
        configuration.asksEverybody = all
        let start = ContinuousClock.now
        let progress = CrawlProgressLine()
        defer { progress.finish() }
        let peers = try PeerAddresses.peers(bootstrap)
        return try await ClientNode.with(store, bootstrap: peers, log: log) { node in
            let crawler = Crawler(asking: node, configuration: configuration)
            let report = try await crawler.run(from: peers, restart: restart) { progress.update($0) }
            return CrawlResult(
                path: store.path, report: report, elapsedMilliseconds: ElapsedTime.milliseconds(since: start),
                wasInterrupted: Task.isCancelled, agents: try AgentCount(of: store, since: report.crawl.startedAt))
        }
    }
}
