/// xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64: the documented generator of every decision that
/// draws. The same seed gives the same sequence on every platform and in every later version.
///
/// Not for secrets: salts and keys come from the system's generator.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Hashable {
    private var state0, state1, state2, state3: UInt64

    public init(seed: UInt64) {
        var mixer = seed
        func next() -> UInt64 {
            mixer &+= 0x9e37_79b9_7f4a_7c15
            var value = mixer
            value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
            return value ^ (value >> 31)
        }
        state0 = next()
        state1 = next()
        state2 = next()
        state3 = next()
    }

    public mutating func next() -> UInt64 {
        let scrambled = rotate(state1 &* 5, by: 7) &* 9
        let shifted = state1 << 17
        state2 ^= state0
        state3 ^= state1
        state1 ^= state2
        state0 ^= state3
        state2 ^= shifted
        state3 = rotate(state3, by: 45)
        return scrambled
    }

    private func rotate(_ value: UInt64, by count: UInt64) -> UInt64 {
        (value << count) | (value >> (64 - count))
    }
}

extension Key {
    /// A key drawn uniformly.
    public static func random(using generator: inout some RandomNumberGenerator) -> Key {
        Key(generator.next(), generator.next(), generator.next(), generator.next())
    }
}
