import ArgumentParser
import KadStore

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create an empty store.",
        discussion: """
            One file holds one network. Of a known network (libp2p, mainline, opendht, devp2p) the name says how \
            keys are derived; a network of your own needs --key-derivation and --key-bits. A store that is there \
            already, of the same network and scope, is left as it is; one of an older schema is upgraded.

            EXAMPLES:
              kadstore init
              kadstore init --db lab.db --network mainline --scope private
              kadstore init --network mynet --key-derivation identity --key-bits 160
            """)

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var network: NetworkOptions

    func run() async throws {
        let network = try self.network.resolved(default: .libp2p)
        let existed = FileStatus.exists(database.path)
        try await database.using(.create(network, self.network.scope ?? .public)) { store in
            let terminal = Terminal.standardError
            let path = terminal.safe(store.path)
            let what = "network \(store.network.name), keys of \(store.network.keyBits) bits, \(store.scope) scope"
            if let version = store.upgradedFrom {
                Messages.line("Upgraded \(path) from schema \(version): \(what).")
            } else if existed {
                Messages.line("\(path) is a store already (\(what)); left as it is.")
            } else {
                Messages.line("Created \(path): \(what).")
            }
        }
    }
}
