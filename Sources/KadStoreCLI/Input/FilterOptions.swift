import ArgumentParser
import KadStore
import Kademlia
import Multiformats

/// Which peers are wanted, the same for all commands. Several conditions: all must hold.
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

    @Option(help: "Peers that answered last, never answered nor failed (unverified), or failed since (failing).")
    var standing: PeerRecord.Standing?

    @Flag(help: "Peers that are waiting for a backoff to end.")
    var backedOff = false

    @Option(help: "Peers whose circuit breaker is in this state.")
    var breaker: BreakerState?

    @Option(
        help: ArgumentHelp(
            "Peers that share exactly this many leading bits with an identity of the store, or with --near.",
            valueName: "bits"))
    var bucket: Int?

    @Option(help: ArgumentHelp("A peer id, key or text: what --bucket counts from.", valueName: "target"))
    var near: String?

    func validate() throws {
        guard near == nil || bucket != nil else { throw ValidationError("--near needs --bucket.") }
        guard (0...256).contains(bucket ?? 0) else { throw ValidationError("--bucket is 0 to 256.") }
        guard !(backedOff && dialable) else {
            throw ValidationError("--backed-off and --dialable leave no peer: choose one.")
        }
        if let group { _ = try Self.networkGroup(group) }
    }

    /// Whether there is any condition.
    var isGiven: Bool {
        answered || answeredSince != nil || since != nil || dialable || agent != nil || protocolName != nil
            || source != nil || group != nil || standing != nil || backedOff || breaker != nil || bucket != nil
    }

    /// The conditions as a filter over a store's peers.
    func filter(in store: Store, now: Instant) throws -> PeerFilter {
        try filter(in: store.network, now: now) {
            let identities = try store.identities()
            guard identities.count == 1 else {
                throw CommandError.usage(
                    identities.isEmpty
                        ? "--bucket counts from an identity, and this store has none: say --near ID or KEY."
                        : "--bucket counts from an identity, and this store has several: say which one with --near ID.")
            }
            return identities[0].peer.key
        }
    }

    /// The conditions as a filter over peers of files.
    func filter(in network: Network, now: Instant) throws -> PeerFilter {
        try filter(in: network, now: now) {
            throw CommandError.usage("--bucket counts from an identity, and files have none: say --near ID or KEY.")
        }
    }

    /// - Parameter own: the key that --bucket counts from where --near names none.
    private func filter(in network: Network, now: Instant, own: () throws -> Key) throws -> PeerFilter {
        var conditions: [PeerFilter] = []
        if let bucket {
            let key = try near.map { try Target($0, in: network).key } ?? own()
            conditions.append(.sharesPrefix(bucket, with: key))
        }
        if answered { conditions.append(.everAnswered) }
        if let answeredSince { conditions.append(.answered(since: answeredSince.instant(now: now))) }
        if let since { conditions.append(.seen(since: since.instant(now: now))) }
        if dialable { conditions += [.hasAddress, .dialable(at: now)] }
        if let agent { conditions.append(.agent(containing: agent)) }
        if let protocolName { conditions.append(.speaks(protocolName)) }
        if let source { conditions.append(.source(source)) }
        if let group { conditions.append(.inGroup(try Self.networkGroup(group))) }
        if backedOff { conditions.append(.not(.dialable(at: now))) }
        // Last, because each costs a search a row.
        if let breaker { conditions.append(.breaker(breaker.state)) }
        if let standing { conditions.append(.standing(standing)) }
        return switch conditions.count {
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
            throw ValidationError("--group needs an IP address, or a network as an IPv4 /24 or an IPv6 /48.")
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

extension PeerRecord.Standing: ExpressibleByArgument {}

/// A circuit breaker's state by its name.
struct BreakerState: ExpressibleByArgument {
    let state: BackoffState.Breaker

    init?(argument: String) {
        guard let state = BackoffState.Breaker.allCases.first(where: { $0.name == argument }) else { return nil }
        self.state = state
    }

    static var allValueStrings: [String] { BackoffState.Breaker.allCases.map(\.name) }

    static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
