import Kademlia

/// How much a store keeps for the network and of its own: values and providers, expired ones included until they are swept.
public struct Holdings: Hashable, Sendable {
    public struct Amount: Hashable, Sendable {
        public var count: Int64 = 0
        /// Of keys, values, ids and addresses.
        public var bytes: Int64 = 0

        public static func + (left: Amount, right: Amount) -> Amount {
            Amount(
                count: left.count.addingSaturated(right.count), bytes: left.bytes.addingSaturated(right.bytes))
        }

        static func += (left: inout Amount, right: Amount) { left = left + right }

        /// One row of so many bytes, come or gone.
        static func row(_ bytes: Int64, hasCome: Bool) -> Amount {
            Amount(count: hasCome ? 1 : -1, bytes: hasCome ? bytes : 0 - bytes)
        }
    }

    /// As table `holding` numbers them.
    enum Kind: Int64, CaseIterable {
        case value = 1
        case provider = 2
    }

    private var amounts = [Amount](repeating: Amount(), count: 2 * Kind.allCases.count)

    init() {}

    /// Values and providers of others.
    public var values: Amount { self[.value, isOwn: false] }
    public var providers: Amount { self[.provider, isOwn: false] }
    /// What was published here.
    public var ownValues: Amount { self[.value, isOwn: true] }
    public var ownProviders: Amount { self[.provider, isOwn: true] }

    subscript(kind: Kind, isOwn isOwn: Bool) -> Amount {
        get { amounts[Self.index(kind, isOwn)] }
        set { amounts[Self.index(kind, isOwn)] = newValue }
    }

    private static func index(_ kind: Kind, _ isOwn: Bool) -> Int { (kind == .value ? 0 : 2) + (isOwn ? 1 : 0) }

    /// What has to be added to numbers from a file, however wrong, to get these.
    func difference(from kept: Holdings) -> Holdings {
        var difference = Holdings()
        for (kind, isOwn) in Self.parts {
            let (found, told) = (self[kind, isOwn: isOwn], kept[kind, isOwn: isOwn])
            difference[kind, isOwn: isOwn] = Amount(
                count: found.count - min(max(0, told.count), 1 << 62),
                bytes: found.bytes - min(max(0, told.bytes), 1 << 62))
        }
        return difference
    }

    /// Every part, in the order of the table's key.
    static let parts: [(kind: Kind, isOwn: Bool)] = Kind.allCases.flatMap { [($0, false), ($0, true)] }
}

/// How much is kept for others: whatever the network sends, the disk does not fill.
///
/// What is too much goes by its expiry, soonest first, so that what has expired goes before what has not, and what came
/// last stays. Our own never goes for others'.
public struct HoldingLimits: Hashable, Sendable {
    /// Values of others. 65,536: as many as peers; a node is among the 20 nearest to about 20 in n of all keys of a network
    /// of n nodes, a few thousand where ten million values are published among 100,000 nodes.
    public var values: Int64 = 65_536
    /// Their bytes. 256 MiB: 4 KiB for each, while records are of a few hundred bytes as a rule.
    public var valueBytes: Int64 = 256 << 20
    /// Providers of others, over all keys. A million: networks have a hundred times as many of them as values.
    public var providers: Int64 = 1 << 20
    /// Their bytes. 256 MiB: 256 bytes for each, of which the id and a multihash take about 72.
    public var providerBytes: Int64 = 256 << 20
    /// Providers of one key; the newest stay. 256: an answer names some 20, so who comes next must be drawn from more
    /// than that, and a popular key must not fill the table.
    public var providersPerKey = 256

    public init() {}

    /// ``providersPerKey`` within what can be counted: they are gathered in memory.
    var keptPerKey: Int { min(max(0, providersPerKey), 1 << 20) }

    /// At least nothing, whatever was asked for.
    func limit(_ kind: Holdings.Kind) -> Holdings.Amount {
        switch kind {
        case .value: Holdings.Amount(count: max(0, values), bytes: max(0, valueBytes))
        case .provider: Holdings.Amount(count: max(0, providers), bytes: max(0, providerBytes))
        }
    }

    func isHalfFull(_ kind: Holdings.Kind, with amount: Holdings.Amount) -> Bool {
        let limit = limit(kind)
        return amount.count > limit.count / 2 || amount.bytes > limit.bytes / 2
    }

    func exceeded(_ kind: Holdings.Kind, by amount: Holdings.Amount) -> Bool {
        let limit = limit(kind)
        return amount.count > limit.count || amount.bytes > limit.bytes
    }
}

extension Int64 {
    func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
