import KadStore
import Kademlia

/// How a node keeps, finds and publishes values and providers.
public struct ContentConfiguration: Hashable, Sendable {
    /// How long a value of others is kept after it was last sent here, in milliseconds. 48 hours, libp2p's: publishers that
    /// follow it tell theirs every 22 hours and may be off for a day. py-libp2p keeps values for 24 hours; our own are told often
    /// enough for either.
    public var valueMilliseconds: Int64 = 48 * 3_600_000
    /// How long a provider is kept after it last said so, in milliseconds: libp2p's 48 hours.
    public var providerMilliseconds: Int64 = 48 * 3_600_000
    /// How old a value of one's own store may be and still be returned without a lookup, in milliseconds: mutable records (IPNS)
    /// are meant to be believed for minutes.
    public var freshMilliseconds: Int64 = 5 * 60_000
    /// Peers that are told of one value or key at the same time. 10: half of k, in two turns, while a dead one holds up nine others
    /// at most.
    public var concurrency = 10
    /// How many providers are looked for when no number is asked for: a few to choose from.
    public static let providerCount = 20

    public init() {}
}

/// Why a value is not looked for or published.
public enum ContentError: Error, Hashable, Sendable {
    /// The value may not stand under the key, or nobody here can judge whether it may.
    case refused(RecordFault)
    /// A better value of the key is known: a newer one.
    case outdated
    /// A key has 1 to 128 bytes.
    case badKey(bytes: Int)
    /// A value that no peer would keep.
    case tooLarge(bytes: Int, limit: Int)
}

extension ContentError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .refused(.unknownNamespace):
            "no validator for the key's namespace: a key is /name/…, and values of other namespaces are not judged"
        case .refused(.malformed): "key or value have not the form that the key's namespace prescribes"
        case .refused(.contradictory): "the value does not belong to the key"
        case .refused(.badSignature): "the value's signature is not that of the key's owner"
        case .refused(.expired): "the value is not valid at this time: sign it anew"
        case .refused(.unverifiable): "the value is signed with a kind of key that this node cannot check"
        case .outdated: "a newer value of the key is known: get it first, and publish one that is newer still"
        case .badKey(let bytes): "a key has 1 to 128 bytes, this one has \(bytes)"
        case .tooLarge(let bytes, let limit): "a value has at most \(limit) bytes, this one has \(bytes)"
        }
    }
}

/// How it went to tell the peers nearest to a key of a value, or of a provider.
public struct PutReport: Hashable, Sendable {
    public struct Failure: Hashable, Sendable {
        public let peer: Peer
        public let failureClass: FailureClass
    }

    /// Who took it.
    public internal(set) var accepted: [Peer] = []
    /// Who did not, and why.
    public internal(set) var failed: [Failure] = []
}
