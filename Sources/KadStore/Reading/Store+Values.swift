import Kademlia

/// Some of a store's own values, in the order of their keys.
public struct OwnValuePage: Sendable {
    /// A page may be empty although more follow.
    public let values: [StoredValue]
    /// Goes on where this page ended; nil at the end.
    public let next: [UInt8]?
}

/// Where a provider stands in the order of keys and, of each key, of providers.
public struct ProviderPlace: Hashable, Comparable, Sendable {
    public let key: [UInt8]
    public let peer: Key

    public init(key: [UInt8], peer: Key) {
        self.key = key
        self.peer = peer
    }

    public static func < (left: Self, right: Self) -> Bool {
        left.key == right.key ? left.peer < right.peer : left.key.lexicographicallyPrecedes(right.key)
    }
}

/// Some of what this node itself provides.
public struct OwnProviderPage: Sendable {
    /// A page may be empty although more follow.
    public let providers: [StoredProvider]
    /// Goes on where this page ended; nil at the end.
    public let next: ProviderPlace?
}

extension Store {
    /// The value of a key, or nil when the store has none that may be told.
    ///
    /// - Parameter now: the logical time that expiry is judged by; nil is the wall clock's. Our own never expires here.
    /// - Complexity: O(log n), and a read of the value.
    public func value(_ key: [UInt8], at now: Instant? = nil) throws(StoreError) -> StoredValue? {
        let now = now ?? options.now()
        return try read { view in try view.value(of: key).flatMap { $0.isLive(at: now) ? $0 : nil } }
    }

    /// Who provides a key, newest first.
    ///
    /// - Parameters:
    ///   - limit: the most providers to return.
    ///   - now: the logical time that expiry is judged by; nil is the wall clock's.
    /// - Complexity: O(log n + p) for the p providers that are kept of a key, at most
    ///   ``HoldingLimits/providersPerKey`` and our own.
    public func providers(
        of key: [UInt8], limit: Int = .max, at now: Instant? = nil
    ) throws(StoreError) -> [StoredProvider] {
        let now = now ?? options.now()
        let kept = options.holdingLimits.keptPerKey
        return try read { view in
            Array(try view.providers(of: key, limit: kept).lazy.filter { $0.isLive(at: now) }.prefix(max(0, limit)))
        }
    }

    /// A page of the values that were published here, in the order of their keys: what is to be published again.
    ///
    /// - Parameters:
    ///   - key: where the page before ended (``OwnValuePage/next``).
    ///   - limit: the most values to read, 1 to ``maximumPageCount``; a page also ends after 8 MiB.
    /// - Complexity: O(log n + limit), however much is kept for others.
    public func ownValues(after key: [UInt8]? = nil, limit: Int = 256) throws(StoreError) -> OwnValuePage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { view in
            let page = try view.ownValues(after: key, limit: limit)
            return OwnValuePage(values: page.rows, next: page.end)
        }
    }

    /// A page of what this node itself provides: what is to be announced again.
    ///
    /// - Parameter place: where the page before ended (``OwnProviderPage/next``).
    /// - Complexity: O(log n + limit), however much is kept for others.
    public func ownProviders(
        after place: ProviderPlace? = nil, limit: Int = 256
    ) throws(StoreError) -> OwnProviderPage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { view in
            let page = try view.ownProviders(after: place, limit: limit)
            return OwnProviderPage(providers: page.rows, next: page.end)
        }
    }

    /// How much is kept, as of the last commit of any process.
    ///
    /// - Complexity: O(1): the numbers are kept.
    public func holdings() throws(StoreError) -> Holdings {
        try readers.withReader { try $0.holdings() }
    }

    /// Whether others' values, and others' providers, take more than half of their room (``HoldingLimits``), as of the last
    /// commit: from then on it is worth while to be choosy about what is kept.
    ///
    /// - Complexity: O(1)
    public func isHalfFull() throws(StoreError) -> (values: Bool, providers: Bool) {
        let (limits, holdings) = (options.holdingLimits, try holdings())
        return (
            values: limits.isHalfFull(.value, with: holdings.values),
            providers: limits.isHalfFull(.provider, with: holdings.providers)
        )
    }
}
