import ArgumentParser
import KadStore
import Kademlia
import Multiformats

/// Which peers are wanted. Several conditions: all must hold.
struct FilterOptions: ParsableArguments {
    @Flag(help: "Peers that have ever answered.")
    var answered = false

    @Option(help: ArgumentHelp("Peers that answered at or after this: \(Moment.help).", valueName: "when"))
    var answeredSince: Moment?

    @Option(
        name: [.customLong("since"), .customLong("seen-since")],
        help: ArgumentHelp("Peers that were seen or heard of at or after this.", valueName: "when"))
    var since: Moment?

    @Flag(help: "Peers that have an address and are not waiting for a backoff to end.")
    var dialable = false

    @Option(help: "Peers whose agent contains this text.")
    var agent: String?

    @Option(name: .customLong("protocol"), help: ArgumentHelp("Peers that speak this protocol.", valueName: "name"))
    var protocolName: String?

    @Option(help: ArgumentHelp("Peers that were first heard of from this source.", valueName: "name"))
    var source: String?

    @Option(help: ArgumentHelp("Peers with an address in the /24 (IPv4) or /48 (IPv6) of this one.", valueName: "ip"))
    var group: String?

    /// The conditions as a filter.
    func filter(now: Instant) throws -> PeerFilter {
        var conditions: [PeerFilter] = []
        if answered { conditions.append(.everAnswered) }
        if let answeredSince { conditions.append(.answered(since: answeredSince.instant(now: now))) }
        if let since { conditions.append(.seen(since: since.instant(now: now))) }
        if dialable { conditions += [.hasAddress, .dialable(at: now)] }
        if let agent { conditions.append(.agent(containing: agent)) }
        if let protocolName { conditions.append(.speaks(protocolName)) }
        if let source { conditions.append(.source(source)) }
        if let group { conditions.append(.inGroup(try Self.networkGroup(group))) }
        return Self.every(conditions)
    }

    static func every(_ conditions: [PeerFilter]) -> PeerFilter {
        switch conditions.count {
        case 0: .all
        case 1: conditions[0]
        default: .every(conditions)
        }
    }

    /// `203.0.113.7`, `203.0.113.0/24`, `2001:db8::1` or `2001:db8::/48`.
    private static func networkGroup(_ text: String) throws -> NetworkGroup {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let host = parts.first, parts.count <= 2,
            let address = try? Multiaddr("/\(host.contains(":") ? "ip6" : "ip4")/\(host)").ipAddress,
            parts.count == 1 || parts[1] == width(of: address)
        else {
            throw CommandError.usage("--group needs an IP address, or a network as an IPv4 /24 or an IPv6 /48.")
        }
        return NetworkGroup(address)
    }

    private static func width(of address: IPAddress) -> Substring {
        switch address {
        case .v4: "24"
        case .v6: "48"
        }
    }
}
