import ArgumentParser
import Kademlia
import KadStore
import Multiformats

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create an empty store.",
        discussion: """
            One file holds one network. Of a known network (libp2p, mainline, opendht, devp2p) the name says how keys are
            derived; a network of your own needs --key-derivation and --key-bits. A store that is there already, of the
            same network and scope, is left as it is.

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
        try await database.using(.create(network, self.network.scope)) { store in
            let terminal = Terminal.standardError
            let path = terminal.safe(store.path)
            let what = "network \(store.network.name), keys of \(store.network.keyBits) bits, \(store.scope) scope"
            Messages.line(existed ? "\(path) is a store already (\(what)); left as it is." : "Created \(path): \(what).")
        }
    }
}

/// What a new store holds.
struct NetworkOptions: ParsableArguments {
    @Option(
        name: .customLong("network"),
        help: ArgumentHelp(
            "libp2p, mainline, opendht, devp2p, or a name of your own.", valueName: "name"))
    var name: String?

    @Option(help: "Which addresses it admits: public ones alone, or private, loopback and documentation ranges too.")
    var scope: Scope = .public

    @Option(help: "How the keys of a network of your own come from ids.")
    var keyDerivation: Network.Derivation?

    @Option(help: "How wide its keys are: 128, 160 or 256 bits.")
    var keyBits: Int?

    /// - Parameter fallback: the network where none is named.
    func resolved(default fallback: Network) throws -> Network {
        let known = name == nil ? fallback : Network.known.first { $0.name == name }
        if let known {
            guard keyDerivation ?? known.derivation == known.derivation, keyBits ?? known.keyBits == known.keyBits else {
                throw CommandError.usage(
                    "network \(known.name) derives keys of \(known.keyBits) bits by \(known.derivation.rawValue): "
                        + "leave --key-derivation and --key-bits out, or choose a name of your own.")
            }
            return known
        }
        guard let name, let keyDerivation else {
            throw CommandError.usage(
                "'\(name ?? "")' is none of the known networks "
                    + "(\(Network.known.map(\.name).joined(separator: ", "))): say how its keys are derived with "
                    + "--key-derivation sha256 or identity.")
        }
        return try Network(
            name: name, derivation: keyDerivation, keyBits: keyBits ?? 256,
            idEncoding: keyDerivation == .sha256 ? .libp2p : .hex)
    }
}

extension Scope: ExpressibleByArgument {}

extension Network.Derivation: ExpressibleByArgument {}
