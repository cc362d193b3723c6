extension Lookup {
    /// What a handler of the lookup decided. The shell carries it out.
    ///
    /// Directives are carried out in the order they were given, those of a later call behind those of an earlier one: a
    /// queue, not a recursion. Then an `abandon` never overtakes the `query` it takes back.
    public enum Directive: Hashable, Sendable {
        /// Ask this peer for the peers it knows nearest to the target. Report ``Lookup/dispatched(_:rtt:at:)`` when the
        /// query leaves, or ``Lookup/skipped(_:at:)`` when it will not; its slot is taken until one of them.
        case query(Key)

        /// Read about `count` known peers from the stream that is sorted by the distance to the target, beginning behind
        /// ``RefillToken/after``, and report them with ``Lookup/refilled(_:with:reached:at:)``. At most one for each
        /// path is open.
        case refill(RefillToken, count: Int)

        /// The peer is now among the k nearest that its path knows of and that have not failed.
        case closer(Key)

        /// The query's deadline passed, and the lookup counted it as a timeout: end the call, charge the peer.
        case expired(Key)

        /// The lookup ended while this query was awaited or about to be sent: end the call, charge nobody.
        case abandon(Key)

        /// The lookup is over. Nothing follows; the results are in ``Lookup/closest``.
        case finished(FinishReason)
    }

    /// Why a lookup ended.
    ///
    /// Raw values are stored in files: they are never reused.
    public enum FinishReason: UInt8, Hashable, Sendable, CaseIterable {
        /// The nearest live peers have all answered, and no nearer one is known.
        case complete = 1
        /// The beta nearest live peers have answered.
        case converged = 2
        /// Fewer than k live peers are known, and all of them have answered.
        case exhausted = 3
        /// As many peers were asked or passed over as may be.
        case queryLimit = 4
        /// The time is over.
        case timeLimit = 5
        /// The caller wanted no more.
        case cancelled = 6

        /// The name in files and on the command line.
        public var name: String {
            switch self {
            case .complete: "complete"
            case .converged: "converged"
            case .exhausted: "exhausted"
            case .queryLimit: "query-limit"
            case .timeLimit: "time-limit"
            case .cancelled: "cancelled"
            }
        }

        public init?(name: some StringProtocol) {
            guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = match
        }
    }

    /// One request for more peers from the store.
    public struct RefillToken: Hashable, Sendable {
        /// Only peers farther from the target than this are wanted; nil wants the nearest.
        public let after: Distance?
        let number: Int
    }
}
