import ArgumentParser
import KadStore

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Watch a store that a node is writing: who answers, who fails, how the table fills.",
        discussion: """
            On a terminal a screen that is kept up to date, elsewhere a line for each look. It reads, and nothing else: a \
            look costs what has changed, however many peers there are, and holds nothing until the next. How many peers \
            answered, are unverified or failing is counted over the whole store now and then, and shown with its age. \
            When the file is replaced, or comes back, it is watched anew, and this is said.

            Keys: q quits, p pauses, tab and the arrows choose the identity and the buckets, ? helps. q, Ctrl-C and \
            SIGTERM end it with status 0.

            EXAMPLES:
              kadstore watch
              kadstore watch --db node.db --interval 500ms
              kadstore watch --count 10 | tee log.txt
              kadstore watch --json | jq .look.since.answers

            JSON: {version, path: text, atMs, condition: "open" or "missing" or "unreadable", problem: text or null, \
            replacedAtMs or null, look: {network: text, scope: "public" or "private", peers, heldFailures, lookups, \
            lastCommitAtMs or null, fileBytes, logBytes, counted: {atMs, answered, unverified, failing, backedOff, \
            openBreakers} or null, since: {elapsedMs, commits, pages, answers, failures, failuresByClass: [{class: \
            text, count}], isComplete, changes: [{id: text or null, key: text, outcome: "answered" or "failed", class: \
            text or null, rttUs or null, atMs}] (at most 64)}, tables: [table]} or null (where there is nothing to see)} \
            (a line for each look; since: since the look before)
            \(TablePicture.jsonShape)
            """)

    @Option(help: ArgumentHelp("The time between two looks: 500ms, 2s, 1m.", valueName: "span"))
    var interval = Interval(milliseconds: 2_000)

    @Option(help: ArgumentHelp("End after so many looks.", valueName: "looks"))
    var count: Int?

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard (100...86_400_000).contains(interval.milliseconds) else {
            throw ValidationError("--interval is between 100ms and 24h.")
        }
        guard count ?? 1 > 0 else { throw ValidationError("--count is at least 1.") }
    }

    func run() async throws {
        try database.validatePath()
        var store = WatchedStore(path: database.path, options: database.options)
        try await store.open()
        let manner: WatchSession.Manner =
            output.isJSON ? .json : Terminal.standardOutput.isInteractive ? .screen : .lines
        var session = try WatchSession(store, manner: manner, interval: interval.milliseconds, count: count)
        try await session.run()
    }
}
