import ArgumentParser
import KadStore
import Multiformats

/// What a new store holds, and what an existing one is expected to hold.
struct NetworkOptions: ParsableArguments {
    @Option(
        name: .customLong("network"),
        help: ArgumentHelp(
            "libp2p, mainline, opendht, devp2p, or a name of your own.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Which addresses it admits: public ones alone, or private, loopback and documentation ranges too.",
            discussion: "A new store is public unless the imported file says otherwise."))
    var scope: Scope?

    @Option(help: "How the keys of a network of your own come from ids.")
    var keyDerivation: Network.Derivation?

    @Option(help: "How wide its keys are: 128, 160 or 256 bits.")
    var keyBits: Int?

    /// Whether a network is named in any way.
    var isGiven: Bool { name != nil || keyDerivation != nil || keyBits != nil }

    /// - Parameter fallback: the network where none is named.
    func resolved(default fallback: Network) throws -> Network {
        let known = name == nil ? fallback : Network.known.first { $0.name == name }
        if let known {
            guard keyDerivation ?? known.derivation == known.derivation, keyBits ?? known.keyBits == known.keyBits
            else {
                throw CommandError.usage(
                    "network \(known.name) derives keys of \(known.keyBits) bits by \(known.derivation.rawValue): "
                        + "leave --key-derivation and --key-bits out, or choose a name of your own.")
            }
            return known
        }
        guard let name, let keyDerivation else {
            throw CommandError.notThere(
                "'\(name ?? "")' is none of the known networks "
                    + "(\(Network.known.map(\.name).joined(separator: ", "))): say how its keys are derived with "
                    + "--key-derivation sha256 or identity.",
                suggestions: Suggestions.names(like: name ?? "", among: Network.known.map(\.name)), status: .usage)
        }
        return try Network(
            name: name, derivation: keyDerivation, keyBits: keyBits ?? 256,
            idEncoding: keyDerivation == .sha256 ? .libp2p : .hex)
    }
}

extension Scope: ExpressibleByArgument {}

extension Network.Derivation: ExpressibleByArgument {}
