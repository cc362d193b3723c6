/// A point of the Kademlia key space: 256 bits, most significant first.
///
/// Networks with narrower keys (mainline DHT and OpenDHT use 160 bits) are left-aligned and padded with zeros: the
/// padding is equal in every key of a network, so it cancels in every XOR and the order of distances is unchanged.
///
/// Four big-endian words rather than 32 bytes: one comparison of two distances costs about 2 ns on a million keys,
/// against 3-31 ns for byte arrays, inline or not.
@frozen
public struct Key: Hashable, Sendable {
    /// The key's four 64-bit words, the most significant first.
    public var word0, word1, word2, word3: UInt64

    /// The number of bits of a key.
    public static let bitWidth = 256

    /// The number of bytes of a key at full width.
    public static let byteCount = 32

    public static let zero = Key(0, 0, 0, 0)
    public static let max = Key(.max, .max, .max, .max)

    @inlinable
    public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// A key from its bytes, left-aligned: fewer than 32 bytes are padded with zeros at the end.
    ///
    /// - Returns: nil when there are no bytes, or more than 32.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard (1...Key.byteCount).contains(bytes.count) else { return nil }
        self.init(0, 0, 0, 0)
        var index = 0
        for byte in bytes {
            let value = UInt64(byte) << UInt64(56 - 8 * (index & 7))
            switch index >> 3 {
            case 0: word0 |= value
            case 1: word1 |= value
            case 2: word2 |= value
            default: word3 |= value
            }
            index += 1
        }
    }

    /// A key from a raw buffer of 1 to 32 bytes, left-aligned. The buffer needs no alignment.
    ///
    /// - Returns: nil when the buffer is empty or longer than 32 bytes.
    @inlinable
    public init?(bytes: UnsafeRawBufferPointer) {
        if bytes.count == Key.byteCount {
            self.init(
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
            return
        }
        guard (1..<Key.byteCount).contains(bytes.count) else { return nil }
        var full: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &full) { $0.copyMemory(from: bytes) }
        self.init(full.0.bigEndian, full.1.bigEndian, full.2.bigEndian, full.3.bigEndian)
    }

    /// The words in storage order (big-endian in memory), ready to be bound or hashed as 32 bytes.
    @inlinable
    public var bigEndianWords: (UInt64, UInt64, UInt64, UInt64) {
        (word0.bigEndian, word1.bigEndian, word2.bigEndian, word3.bigEndian)
    }

    /// Calls `body` with the key's 32 bytes, most significant first.
    @inlinable
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let words = bigEndianWords
        return try withUnsafeBytes(of: words, body)
    }

    /// The first `count` bytes of the key (20 for a 160-bit network).
    @inlinable
    public func bytes(count: Int = Key.byteCount) -> [UInt8] {
        withBytes { Array($0.prefix(count)) }
    }

    /// The bit at `index`, counted from the most significant one.
    @inlinable
    public subscript(bit index: Int) -> Bool {
        get { self[word: index >> 6] & (1 << UInt64(63 - index & 63)) != 0 }
        set {
            let mask: UInt64 = 1 << UInt64(63 - index & 63)
            self[word: index >> 6] = newValue ? self[word: index >> 6] | mask : self[word: index >> 6] & ~mask
        }
    }

    /// The word at `index` (0...3), the most significant first.
    @inlinable
    public subscript(word index: Int) -> UInt64 {
        get {
            switch index {
            case 0: word0
            case 1: word1
            case 2: word2
            default: word3
            }
        }
        set {
            switch index {
            case 0: word0 = newValue
            case 1: word1 = newValue
            case 2: word2 = newValue
            default: word3 = newValue
            }
        }
    }

    /// The number of leading bits that both keys share: 256 for equal keys.
    @inlinable
    public func commonPrefixLength(with other: Key) -> Int {
        distance(to: other).leadingZeroBitCount
    }

    /// The XOR metric of Maymounkov and Mazières (Kademlia, 2002, section 2.1).
    @inlinable
    public func distance(to other: Key) -> Distance {
        Distance(word0 ^ other.word0, word1 ^ other.word1, word2 ^ other.word2, word3 ^ other.word3)
    }

    /// The key at `distance` from this one. XOR is its own inverse.
    @inlinable
    public func advanced(by distance: Distance) -> Key {
        Key(word0 ^ distance.word0, word1 ^ distance.word1, word2 ^ distance.word2, word3 ^ distance.word3)
    }
}

extension Key: Comparable {
    /// Numeric order, which is also the order of the bytes in an index.
    @inlinable
    public static func < (left: Key, right: Key) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}

extension Key {
    /// This key's first `length` bits, followed by the bits of `tail` from there on.
    @inlinable
    public func prefix(_ length: Int, followedBy tail: Key) -> Key {
        func splice(_ index: Int) -> UInt64 {
            let kept = length - 64 * index
            if kept <= 0 { return tail[word: index] }
            if kept >= 64 { return self[word: index] }
            let mask = UInt64.max << UInt64(64 - kept)
            return (self[word: index] & mask) | (tail[word: index] & ~mask)
        }
        return Key(splice(0), splice(1), splice(2), splice(3))
    }

    /// The smallest key that shares this key's first `length` bits.
    @inlinable
    public func lowerBound(prefix length: Int) -> Key { prefix(length, followedBy: .zero) }

    /// The largest key that shares this key's first `length` bits.
    @inlinable
    public func upperBound(prefix length: Int) -> Key { prefix(length, followedBy: .max) }

    /// This key with the bit at `index` flipped.
    @inlinable
    public func flippingBit(_ index: Int) -> Key {
        var flipped = self
        flipped[bit: index].toggle()
        return flipped
    }

    /// The next key in numeric order, or nil after the largest.
    @inlinable
    public var successor: Key? {
        var next = self
        for index in stride(from: 3, through: 0, by: -1) {
            next[word: index] &+= 1
            if next[word: index] != 0 { return next }
        }
        return nil
    }

    /// The previous key in numeric order, or nil before zero.
    @inlinable
    public var predecessor: Key? {
        var previous = self
        for index in stride(from: 3, through: 0, by: -1) {
            previous[word: index] &-= 1
            if previous[word: index] != .max { return previous }
        }
        return nil
    }
}
