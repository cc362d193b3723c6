import Kademlia
import Multiformats

/// Failures of one class at one address.
public struct FailureRecord: Hashable, Sendable {
    /// Where it failed; nil when the failure was not one address's.
    public var address: Multiaddr?
    public var failureClass: FailureClass
    public var count: Int
    public var firstAt: Instant
    public var lastAt: Instant

    public init(address: Multiaddr?, failureClass: FailureClass, count: Int, firstAt: Instant, lastAt: Instant) {
        self.address = address
        self.failureClass = failureClass
        self.count = count
        self.firstAt = firstAt
        self.lastAt = lastAt
    }
}

/// Everything that is remembered of one peer.
public struct PeerRecord: Hashable, Sendable {
    public let peer: Peer
    /// In the order to dial in.
    public var addresses: [AddressRecord]
    public var firstSeen: Instant
    public var lastSeen: Instant
    /// When it last answered us.
    public var lastOK: Instant?
    /// Answers in all.
    public var successes: Int
    public var rtt: RTTEstimate?
    /// Bit i: seen on the day i days before the day of `lastSeen` (UTC).
    public var daysSeen: UInt32
    public var agent: String?
    /// Sorted, without duplicates.
    public var protocols: [String]
    /// Who first told of it.
    public var source: String?
    /// By address and class, in that order.
    public var failures: [FailureRecord]
    public var backoff: BackoffState?

    public var id: PeerID { peer.id }
    public var key: Key { peer.key }

    public init(peer: Peer, firstSeen: Instant, source: String? = nil) {
        self.peer = peer
        self.firstSeen = firstSeen
        self.source = source
        lastSeen = firstSeen
        addresses = []
        successes = 0
        daysSeen = 1
        protocols = []
        failures = []
    }

    /// The most protocols that are kept of one peer, and the most bytes of a name or an agent string.
    public static let maximumProtocols = 128
    public static let maximumNameLength = 256
    /// The most bytes of one peer's protocols together: others tell some 20 of 25 bytes.
    public static let maximumProtocolBytes = 4_096
}

extension PeerRecord {
    /// Failures in all, over addresses and classes.
    public var failureCount: Int { failures.reduce(0) { $0.addingSaturated($1.count) } }

    /// When it last failed in a way that speaks against it.
    public var lastFailure: Instant? {
        failures.lazy.filter(\.failureClass.countsAgainstPeer).map(\.lastAt).max()
    }

    /// What history says, for people.
    public var standing: Standing { Standing(lastOK: lastOK, lastFailure: lastFailure) }

    public enum Standing: String, Hashable, Sendable, CaseIterable {
        /// Its last dial succeeded.
        case answered
        /// Heard of, and nothing known for or against it.
        case unverified
        /// Failed since it last answered.
        case failing

        /// - Parameter lastFailure: the last that speaks against the peer.
        init(lastOK: Instant?, lastFailure: Instant?) {
            if let lastOK {
                self = lastFailure.map { $0 > lastOK } ?? false ? .failing : .answered
            } else {
                self = lastFailure == nil ? .unverified : .failing
            }
        }
    }
}

extension PeerRecord {
    /// What no history can be, in words; nil for a sound record. What a check of a file looks for, too.
    var contradiction: String? {
        if firstSeen > lastSeen { return "first seen after it was last seen" }
        if successes < 0 { return "\(successes) successes" }
        if addresses.count > AddressRecord.maximumPerPeer { return "\(addresses.count) addresses" }
        if Set(addresses.map(\.address)).count < addresses.count { return "an address is there twice" }
        if let rtt, rtt.smoothed < 0 || rtt.variation < 0 { return "a round-trip time that cannot be" }
        if failures.contains(where: { $0.firstAt > $0.lastAt || $0.count < 1 }) { return "failures that cannot be" }
        if let backoff, backoff.waitMilliseconds < 0 || !(0...32).contains(backoff.outcomeCount) {
            return "a backoff that cannot be"
        }
        return nil
    }
}

extension Int {
    func addingSaturated(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
