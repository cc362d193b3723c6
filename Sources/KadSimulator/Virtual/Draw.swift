import Kademlia

/// Randomness by name: a value that follows from a seed and a path of numbers, whenever and however often it is asked for.
///
/// A network of 100,000 nodes with 20 contacts in each of 17 buckets is never built: what a node's bucket holds is drawn
/// when it is asked, from (seed, node, bucket), and comes out the same each time. Two algorithms that ask the same peer
/// also meet the same latency, which takes the luck of the draw out of their comparison.
///
/// The mixing is SplitMix64's (Steele, Lea and Flood, 2014), one round for each number of the path.
public struct Draw: Hashable, Sendable {
    private let state: UInt64

    public init(seed: UInt64) { state = Self.mix(seed) }

    private init(state: UInt64) { self.state = state }

    /// The draw one step down the path.
    public subscript(_ name: UInt64) -> Draw { Draw(state: Self.mix(state ^ Self.mix(name &+ 0x632b_e59b_d9b4_e019))) }

    public subscript(_ name: Int) -> Draw { self[UInt64(bitPattern: Int64(name))] }

    public subscript(_ name: Purpose) -> Draw { self[name.rawValue] }

    /// 64 uniform bits.
    public var bits: UInt64 { Self.mix(state) }

    /// Uniform in `0..<bound`; zero when the bound is. The bias of the multiplication is below bound / 2^64.
    public func below(_ bound: UInt64) -> UInt64 { bits.multipliedFullWidth(by: bound).high }

    public func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: below(UInt64(max(0, bound)))) }

    /// True with a chance of `permille` in a thousand.
    public func happens(permille: Int) -> Bool { below(1_000) < permille }

    /// A sequence of draws.
    public var generator: SeededGenerator { SeededGenerator(seed: bits) }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9e37_79b9_7f4a_7c15
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    /// What a draw is for: the first step of each path, so that no two purposes share their luck.
    public enum Purpose: UInt64, Sendable {
        case identity = 1
        case address
        case death
        case bucket
        case latency
        case jitter
        case loss
        case refusal
        case churn
        case lookup
        case knowledge
        case engine
        case attack
        case scenario
        case reach
    }
}

extension SeededGenerator {
    /// Uniform in `0..<bound`, by a multiplication: the standard library may draw differently from version to version.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(0, bound))).high)
    }
}
