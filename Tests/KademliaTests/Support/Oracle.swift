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

    /// A full sort by the bytes of the distance.
    static func nearest(_ count: Int, of keys: some Sequence<Key>, to target: Key) -> [Key] {
        let sorted = keys.map { (distance($0, target), $0) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }
        return sorted.prefix(count).map(\.1)
    }
}

extension Instant {
    static func minutes(_ minutes: Int64) -> Instant { Instant(milliseconds: minutes * 60_000) }
}

extension NetworkGroup {
    /// 198.51.`index`.0/24.
    static func test(_ index: UInt32) -> NetworkGroup { .ipv4(0xc63300 | index) }
}
