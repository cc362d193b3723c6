import KadStore
import Kademlia
import Multiformats

/// How the peers or contacts of one bucket are spread over network groups and sources.
struct BucketSpread {
    var index: Int
    var isLast: Bool
    /// Those that have an address in a network, and those that have a source.
    var located: Int
    var sourced: Int
    var networks: Int
    var sources: Int
    var largestNetwork: (name: String, count: Int)?
    var largestSource: (name: String, count: Int)?

    init(_ range: Survey.Range) {
        index = range.index
        isLast = range.isLast
        located = range.groups.total
        sourced = range.sources.total
        networks = range.groups.distinct
        sources = range.sources.distinct
        largestNetwork = range.largestGroup.map { ($0.group.text, $0.count) }
        largestSource = range.largestSource.map { ($0.group, $0.count) }
    }

    private init(index: Int, isLast: Bool, groups: [NetworkGroup: Int], sources: [String: Int]) {
        self.index = index
        self.isLast = isLast
        located = groups.values.reduce(0, +)
        sourced = sources.values.reduce(0, +)
        networks = groups.count
        self.sources = sources.count
        let group = groups.max { ($0.value, $1.key.text) < ($1.value, $0.key.text) }
        largestNetwork = group.map { ($0.key.text, $0.value) }
        largestSource = sources.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { ($0.key, $0.value) }
    }

    /// Of the live contacts that a node kept. Who told of them stands in their peers' rows: one search each, at most
    /// ``maximumLookups``.
    static func spreads(of identity: Identity, in store: Store) throws -> [BucketSpread] {
        let buckets = try store.buckets(of: identity)
        var lookups = 0
        return buckets.enumerated().map { position, bucket in
            var groups: [NetworkGroup: Int] = [:]
            var sources: [String: Int] = [:]
            for contact in bucket.live {
                if let group = contact.networkGroup?.block { groups[group, default: 0] += 1 }
                lookups += 1
                guard lookups <= maximumLookups else { continue }
                // A damaged row has no source that could be named; the survey counts it.
                if let record = try? store.record(of: contact.key), let source = record.source {
                    sources[source, default: 0] += 1
                }
            }
            return BucketSpread(
                index: bucket.index, isLast: position == buckets.count - 1, groups: groups, sources: sources)
        }
    }

    private static let maximumLookups = 8_192
}

extension NetworkGroup {
    /// The /24 or /48 that it lies in: an endpoint's too.
    var block: NetworkGroup {
        if case .endpoint(let address, _) = self { NetworkGroup(address) } else { self }
    }

    /// `203.0.113.0/24`, `2001:db8:1::/48`.
    var text: String {
        switch self {
        case .ipv4(let prefix): "\(IPAddress.v4(prefix << 8))/24"
        case .ipv6(let prefix): "\(IPAddress.v6(high: prefix << 16, low: 0))/48"
        case .endpoint(let address, let port):
            if case .v4 = address { "\(address):\(port)" } else { "[\(address)]:\(port)" }
        }
    }
}
