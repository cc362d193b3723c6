/// Something of our own that the network forgets unless it is told again.
public enum Publication: Hashable, Sendable {
    case value(key: [UInt8])
    case provider(key: [UInt8])
}

/// When what is our own is told again. Whoever keeps it forgets it some time after it was last told, so the interval is
/// shorter than the shortest of those times.
public struct PublishingConfiguration: Hashable, Sendable {
    /// The longest between two times, in milliseconds. 22 hours, libp2p's: values are kept for 24 hours by some nodes and for
    /// 48 by others, providers for 48.
    public var intervalMilliseconds: Int64 = 22 * 3_600_000
    /// By how much it may be shorter, drawn for each thing anew: what was put in one go is spread over four hours a day
    /// later, and further from then on.
    public var jitterMilliseconds: Int64 = 4 * 3_600_000
    /// How many are told at the same time: each is a lookup, and then as many calls as there are peers to tell.
    public var concurrent = 4

    public init() {}
}
