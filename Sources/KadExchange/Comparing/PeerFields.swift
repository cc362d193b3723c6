import KadStore
import Kademlia

/// What two records of one peer can differ in.
public struct PeerFields: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let addresses = PeerFields(rawValue: 1 << 0)
    /// When addresses that both have were first and last seen.
    public static let addressSeen = PeerFields(rawValue: 1 << 1)
    public static let addressLastOK = PeerFields(rawValue: 1 << 2)
    public static let addressFailures = PeerFields(rawValue: 1 << 3)
    public static let addressSource = PeerFields(rawValue: 1 << 4)
    public static let firstSeen = PeerFields(rawValue: 1 << 5)
    public static let lastSeen = PeerFields(rawValue: 1 << 6)
    public static let lastOK = PeerFields(rawValue: 1 << 7)
    public static let successes = PeerFields(rawValue: 1 << 8)
    public static let daysSeen = PeerFields(rawValue: 1 << 9)
    public static let rtt = PeerFields(rawValue: 1 << 10)
    public static let rttVariation = PeerFields(rawValue: 1 << 11)
    public static let agent = PeerFields(rawValue: 1 << 12)
    public static let protocols = PeerFields(rawValue: 1 << 13)
    public static let source = PeerFields(rawValue: 1 << 14)
    public static let failures = PeerFields(rawValue: 1 << 15)
    public static let backoff = PeerFields(rawValue: 1 << 16)
    /// Not of peers: addresses without an id.
    public static let candidates = PeerFields(rawValue: 1 << 17)
    /// Stamps, tries and sources of candidates that both have.
    public static let candidateHistory = PeerFields(rawValue: 1 << 18)

    /// Every field with its name, in the order in which they are listed.
    public static let names: KeyValuePairs<String, PeerFields> = [
        "addresses": .addresses, "address-seen": .addressSeen, "address-last-ok": .addressLastOK,
        "address-failures": .addressFailures, "address-source": .addressSource, "first-seen": .firstSeen,
        "last-seen": .lastSeen, "last-ok": .lastOK, "successes": .successes, "days-seen": .daysSeen, "rtt": .rtt,
        "rtt-variation": .rttVariation, "agent": .agent, "protocols": .protocols, "source": .source,
        "failures": .failures, "backoff": .backoff, "candidates": .candidates,
        "candidate-history": .candidateHistory,
    ]

    public static let all = names.reduce(into: PeerFields()) { $0.formUnion($1.value) }
    /// Everything but ids and addresses.
    public static let history = all.subtracting([.addresses, .candidates])

    /// The names of those that are in the set.
    public var names: [String] { Self.names.filter { contains($0.value) }.map(\.key) }
}

extension PeerFields {
    /// What a record states, of what one need not state.
    init(statedBy peer: ImportedPeer) {
        self = .addresses
        if peer.firstSeen != nil { insert(.firstSeen) }
        if peer.lastSeen != nil { insert(.lastSeen) }
        if peer.lastOK != nil { insert(.lastOK) }
        if peer.successes > 0 { insert(.successes) }
        if peer.daysSeen != 0 { insert(.daysSeen) }
        // Formats of others know one round-trip time, not how it varies.
        if peer.rtt != nil { insert(.rtt) }
        if peer.agent != nil { insert(.agent) }
        if !peer.protocols.isEmpty { insert(.protocols) }
        if !peer.failures.isEmpty { insert(.failures) }
        for address in peer.addresses {
            if address.firstSeen != nil, address.lastSeen != nil { insert(.addressSeen) }
            if address.lastOK != nil { insert(.addressLastOK) }
            if address.failures > 0 { insert(.addressFailures) }
        }
    }

    /// In which of `fields` two records of one peer differ. Text is compared byte for byte.
    ///
    /// - Parameter unknown: a time that stands for none, on either side.
    static func differing(
        _ first: PeerRecord, _ second: PeerRecord, in fields: PeerFields, unknown: Instant?
    ) -> PeerFields {
        var differing = PeerFields()
        func compare<Value: Equatable>(_ field: PeerFields, _ left: Value, _ right: Value) {
            if fields.contains(field), left != right { differing.insert(field) }
        }
        func compareSeen(_ field: PeerFields, _ left: Instant, _ right: Instant) {
            if left != unknown, right != unknown { compare(field, left, right) }
        }
        compareSeen(.firstSeen, first.firstSeen, second.firstSeen)
        compareSeen(.lastSeen, first.lastSeen, second.lastSeen)
        compare(.lastOK, first.lastOK, second.lastOK)
        compare(.successes, first.successes, second.successes)
        compare(.daysSeen, first.daysSeen, second.daysSeen)
        compare(.rtt, first.rtt?.smoothed, second.rtt?.smoothed)
        compare(.rttVariation, first.rtt?.variation, second.rtt?.variation)
        compare(.agent, first.agent.map(ExactString.init), second.agent.map(ExactString.init))
        compare(.protocols, first.protocols.map(ExactString.init), second.protocols.map(ExactString.init))
        compare(.source, first.source.map(ExactString.init), second.source.map(ExactString.init))
        compare(.failures, first.failures, second.failures)
        compare(.backoff, first.backoff, second.backoff)
        let left = first.addresses.sorted { $0.address < $1.address }
        let right = second.addresses.sorted { $0.address < $1.address }
        compare(.addresses, left.map(\.address), right.map(\.address))
        var index = 0
        for entry in left {
            while index < right.count, right[index].address < entry.address { index += 1 }
            guard index < right.count, right[index].address == entry.address else { continue }
            let other = right[index]
            compareSeen(.addressSeen, entry.firstSeen, other.firstSeen)
            compareSeen(.addressSeen, entry.lastSeen, other.lastSeen)
            compare(.addressLastOK, entry.lastOK, other.lastOK)
            compare(.addressFailures, entry.failures, other.failures)
            compare(.addressSource, entry.source.map(ExactString.init), other.source.map(ExactString.init))
        }
        return differing
    }
}
