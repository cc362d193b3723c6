import Kademlia

/// A fingerprint of everything that happened, in order: the same seed must give the same one.
///
/// FNV-1a over 64-bit words (Fowler, Noll and Vo): enough to tell two runs apart, not to resist anybody.
public struct TraceDigest: Hashable, Sendable, CustomStringConvertible {
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    public init() {}

    public mutating func add(_ word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            value = (value ^ (word >> shift & 0xff)) &* 0x100_0000_01b3
        }
    }

    public mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

    public mutating func add(_ time: VirtualTime) { add(UInt64(bitPattern: time.microseconds)) }

    public mutating func add(_ key: Key) {
        add(key.word0)
        add(key.word3)
    }

    public mutating func add(_ other: TraceDigest) { add(other.value) }

    /// 16 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
