/// The XOR of two keys, compared as an unsigned 256-bit number.
@frozen
public struct Distance: Hashable, Sendable {
    /// The distance's four 64-bit words, the most significant first.
    public var word0, word1, word2, word3: UInt64

    public static let zero = Distance(0, 0, 0, 0)
    public static let max = Distance(.max, .max, .max, .max)

    @inlinable
    public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// The number of leading zero bits: the common prefix length of the two keys, 256 when they are equal.
    @inlinable
    public var leadingZeroBitCount: Int {
        if word0 != 0 { return word0.leadingZeroBitCount }
        if word1 != 0 { return 64 + word1.leadingZeroBitCount }
        if word2 != 0 { return 128 + word2.leadingZeroBitCount }
        return 192 + word3.leadingZeroBitCount
    }

    /// The bit at `index`, counted from the most significant one.
    @inlinable
    public subscript(bit index: Int) -> Bool {
        Key(word0, word1, word2, word3)[bit: index]
    }
}

extension Distance: Comparable {
    /// Word by word, the first difference decides: nearly always the first word.
    @inlinable
    public static func < (left: Distance, right: Distance) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}
