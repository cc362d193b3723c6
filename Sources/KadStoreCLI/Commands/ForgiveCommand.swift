import ArgumentParser
import KadStore
import Kademlia

struct ForgiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forgive",
        abstract: "Clear the failure memory of peers: they may be dialled again at once.",
        discussion: """
            Backoff, circuit breaker, counted failures and tombstones go; answers, round-trip times and stamps stay. A \
            node that is running heeds it at its next dial. PEER is written as for 'kadstore peers'.

            EXAMPLES:
              kadstore forgive 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf
              kadstore forgive --all

            JSON: {version, forgiven (how many peers had something to forgive)}
            """)

    @Argument(help: "The peers.")
    var peers: [String] = []

    @Flag(help: "All peers of the store, and all tombstones.")
    var all = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var database: DatabaseOptions

    func validate() throws {
        guard all != !peers.isEmpty else {
            throw ValidationError(all ? "--all leaves nobody to name." : "Name the peers to forgive, or say --all.")
        }
    }

    func run() async throws {
        try await database.using(.readWrite) { store in
            var forgiven = 0
            if all {
                let progress = Progress("Forgiving", unit: "peers")
                defer { progress.finish() }
                forgiven = try await store.forgiveAll { progress.update($0) }
            } else {
                // All are found before any is forgiven: a name with a slip in it changes nothing.
                let records = try peers.map { try PeerFinder(store).record($0) }
                for record in records { forgiven += try await store.forgive(record.key) }
            }
            try await store.flush()
            var output = Output()
            if self.output.isJSON {
                try output.line(JSON.object(["version": JSON.formatVersion, "forgiven": .int(forgiven)]).text)
                try output.flush()
            } else {
                Messages.line(
                    forgiven == 0 ? "Nothing to forgive." : "Forgave \(Terminal.standardError.count(forgiven, "peer"))."
                )
            }
        }
    }
}
