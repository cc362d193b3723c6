import ArgumentParser
import KadEngine
import KadStore
import Kademlia

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why a peer is or is not dialled now, from which facts, and when that changes.",
        discussion: """
            The first line is the answer, the others are what it rests on. What a running node has recorded is heeded at \
            once. PEER is written as for 'kadstore peers'. 'kadstore forgive' clears what keeps a peer waiting.

            EXAMPLES:
              kadstore explain 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf
              kadstore explain 3fa94c21d0 --json

            JSON: {version, id: text, key: text, verdict: "dialled" or "on-trial" or "waits" or "unreachable", \
            changesAtMs or null (unless it waits), text: [text] (the lines), facts: [fact]}
            fact = {fact: "never-dialled"} or {fact: "answered", lastMs, times} or {fact: "no-address"} or {fact: \
            "addresses-waiting", count, of} or {fact: "failed", class: text, scope: scope, times, lastMs} or {fact: \
            "streak", atLastFailureMilli, nowMilli} or {fact: "backoff", waitMs, class: text, scope: scope} or {fact: \
            "breaker-open", openings, sinceMs or null} or {fact: "trial-under-way"} or {fact: "outcomes", failures, of} \
            or {fact: "held", class: text, scope: scope, atMs, isWitnessed} or {fact: "contact", identity: text, \
            bucket, isLive}
            scope = "stream" or "connection" or "peer" or null (a failure of our own)
            """)

    @Argument(help: "The peer.")
    var peer: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func run() async throws {
        try await database.reading { store in
            let now = Instant.systemClock()
            let record = try PeerFinder(store).record(peer)
            let explanation = try Explanation(record, in: store, at: now)
            var output = Output()
            let view = ExplanationView(
                peers: PeerView(network: store.network, terminal: output.terminal, now: now), record: record)
            if self.output.isJSON {
                try output.line(view.json(explanation).text)
            } else {
                for line in view.lines(explanation) { try output.line(line) }
            }
            try output.flush()
        }
    }
}
