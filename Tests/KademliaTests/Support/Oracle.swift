import Kademlia

/// The slow and obvious ways to say what the fast ones must say.
enum Oracle {
    /// The distance as 32 bytes, XOR byte by byte.
    static func distance(_ left: Key, _ right: Key) -> [UInt8] {
        zip(left.bytes(), right.bytes()).map { $0 ^ $1 }
    }

    static func commonPrefixLength(_ left: Key, _ right: Key) -> Int {
        let bytes = distance(left, right)
        for index in 0..<256 where bytes[index / 8] & (0x80 >> UInt8(index % 8)) != 0 { return index }
        return 256
    }

    /// A full sort by the distance, as a number of two halves.
    static func nearest(_ count: Int, of keys: some Sequence<Key>, to target: Key) -> [Key] {
        func halves(_ key: Key) -> (high: UInt128, low: UInt128) {
            (UInt128(key.word0) << 64 | UInt128(key.word1), UInt128(key.word2) << 64 | UInt128(key.word3))
        }
        let (high, low) = halves(target)
        let distances = keys.map { key in
            let halves = halves(key)
            return (key: key, high: halves.high ^ high, low: halves.low ^ low)
        }
        let sorted = distances.sorted { $0.high == $1.high ? $0.low < $1.low : $0.high < $1.high }
        return sorted.prefix(count).map(\.key)
    }
}

extension Instant {
    static func minutes(_ minutes: Int64) -> Instant { Instant(milliseconds: minutes * 60_000) }
}

extension NetworkGroup {
    /// 198.51.`index`.0/24.
    static func test(_ index: UInt32) -> NetworkGroup { .ipv4(0xc63300 | index) }
}
