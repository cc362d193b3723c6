import KadEngine
import KadStore
import Multiformats

/// What another node asks of this one: bytes from the wire, not yet believed.
public enum Query: Hashable, Sendable {
    case ping
    /// The peers nearest to the key of these bytes.
    case findNode([UInt8])
    case getValue([UInt8])
    case putValue(key: [UInt8], value: [UInt8])
    case getProviders([UInt8])
    case addProvider([UInt8], providers: [NamedPeer])
}

/// What a node answers.
public struct QueryAnswer: Hashable, Sendable {
    /// Peers near to what was asked for, nearest first, never the asker.
    public var closer: [FoundPeer]
    public var value: [UInt8]?
    public var providers: [FoundPeer]

    public init(closer: [FoundPeer] = [], value: [UInt8]? = nil, providers: [FoundPeer] = []) {
        self.closer = closer
        self.value = value
        self.providers = providers
    }
}

/// Why a query is not answered. Whoever serves it resets the stream.
public enum Refusal: Error, Hashable, Sendable {
    /// A key, value or provider that breaks a rule.
    case invalid
    /// More than one peer may ask for in this time.
    case tooMany
    /// Much is kept already, and others are nearer to the key.
    case full
    /// This node does not run any more, or its store failed.
    case unavailable
}
