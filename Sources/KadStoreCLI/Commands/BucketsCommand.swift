import ArgumentParser
import KadStore
import Kademlia

struct BucketsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "buckets",
        abstract: "Draw the routing table: fill, freshness and health by common prefix length.",
        discussion: """
            A store that a node has run on keeps that node's k-buckets: they are drawn as they are. With --near, or \
            when the store has no identity, the picture is of all peers as a table around that point of the key \
            space would hold them: the healthiest k of each bucket.

            One cell is one contact: answered within a day, answered before that, never asked, failing, free.

            EXAMPLES:
              kadstore buckets
              kadstore buckets --identity 2
              kadstore buckets --near 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf

            JSON: {version, tables: [table]} (known: the store's peers there, null for the buckets of a node; with \
            --near the states are of those that a bucket would hold)
            \(TablePicture.jsonShape)
            """)

    @Option(help: ArgumentHelp("An identity of the store: its number, label or id.", valueName: "identity"))
    var identity: String?

    @Option(help: ArgumentHelp("Draw all peers around this peer id, key or text instead.", valueName: "target"))
    var near: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard identity == nil || near == nil else { throw ValidationError("Choose one of --identity and --near.") }
    }

    func run() async throws {
        try await database.reading { store in
            let now = Instant.systemClock()
            let pictures = try await self.pictures(of: store, now)
            var output = Output()
            if self.output.isJSON {
                let tables = pictures.map(\.json)
                try output.line(JSON.object(["version": JSON.formatVersion, "tables": .array(tables)]).text)
            } else {
                for (index, picture) in pictures.enumerated() {
                    if index > 0 { try output.line() }
                    for line in picture.lines(output.terminal, now: now) { try output.line(line) }
                }
            }
            try output.flush()
        }
    }

    private func pictures(of store: Store, _ now: Instant) async throws -> [TablePicture] {
        if let near {
            let target = try Target(near, in: store.network)
            Messages.note(target.explanation(in: store.network, .standardError))
            return [try await picture(of: store, around: target.key)]
        }
        let identities = try IdentityChoice.identities(identity, of: store)
        if identities.isEmpty {
            Messages.note("No node has kept its table here: all peers, around key zero. Choose another with --near.")
            return [try await picture(of: store, around: .zero)]
        }
        return try identities.map { try TablePicture(of: store, identity: $0, now: now) }
    }

    private func picture(of store: Store, around key: Key) async throws -> TablePicture {
        let progress = Progress("Reading", unit: "peers")
        defer { progress.finish() }
        return TablePicture(of: store, around: key, try await store.survey(around: key) { progress.update($0) })
    }
}
