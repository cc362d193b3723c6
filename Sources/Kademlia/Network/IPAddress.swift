/// An IPv4 or IPv6 address as a number, most significant byte first.
public enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Four or sixteen bytes in network order; nil for any other number.
    public init?(bytes: some Collection<UInt8>) {
        func word(_ part: some Collection<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self = .v4(UInt32(truncatingIfNeeded: word(bytes)))
        case 16: self = .v6(high: word(bytes.prefix(8)), low: word(bytes.dropFirst(8)))
        default: return nil
        }
    }

    /// Four or sixteen bytes in network order.
    public var bytes: [UInt8] {
        func split(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
        }
        return switch self {
        case .v4(let address): split(UInt64(address), 4)
        case .v6(let high, let low): split(high, 8) + split(low, 8)
        }
    }
}

extension IPAddress {
    /// What an address is for, by the IANA special-purpose registries (RFC 6890 and its updates).
    public enum Reach: String, Hashable, Sendable, CaseIterable {
        /// Routable on the public internet.
        case global
        case loopback
        /// RFC 1918, RFC 6598 (carrier NAT), RFC 4193 (unique local).
        case `private`
        /// RFC 5737, RFC 3849, RFC 9637.
        case documentation
        /// RFC 2544, RFC 5180.
        case benchmark
        case linkLocal
        case multicast
        /// Unspecified, broadcast, reserved, and mappings of IPv4 that should be written as IPv4.
        case unusable
    }

    public var reach: Reach {
        switch self {
        case .v4(let address): Self.reach(v4: address)
        case .v6(let high, let low): Self.reach(v6: high, low)
        }
    }

    private static func reach(v4 address: UInt32) -> Reach {
        func within(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ bits: UInt32) -> Bool {
            let network = a << 24 | b << 16 | c << 8 | d
            return (address ^ network) >> (32 - bits) == 0
        }
        if within(127, 0, 0, 0, 8) { return .loopback }
        if within(10, 0, 0, 0, 8) || within(172, 16, 0, 0, 12) || within(192, 168, 0, 0, 16)
            || within(100, 64, 0, 0, 10)
        {
            return .private
        }
        if within(192, 0, 2, 0, 24) || within(198, 51, 100, 0, 24) || within(203, 0, 113, 0, 24) {
            return .documentation
        }
        if within(198, 18, 0, 0, 15) { return .benchmark }
        if within(169, 254, 0, 0, 16) { return .linkLocal }
        if within(224, 0, 0, 0, 4) { return .multicast }
        if within(0, 0, 0, 0, 8) || within(240, 0, 0, 0, 4) || within(192, 0, 0, 0, 24) || within(192, 88, 99, 0, 24) {
            return .unusable
        }
        return .global
    }

    private static func reach(v6 high: UInt64, _ low: UInt64) -> Reach {
        func within(_ prefix: UInt64, _ bits: UInt64) -> Bool { (high ^ prefix) >> (64 - bits) == 0 }
        if high == 0 {
            return low == 1 ? .loopback : .unusable
        }
        if within(0xfc00_0000_0000_0000, 7) { return .private }
        if within(0xfe80_0000_0000_0000, 10) { return .linkLocal }
        if within(0xff00_0000_0000_0000, 8) { return .multicast }
        if within(0x2001_0db8_0000_0000, 32) || within(0x3fff_0000_0000_0000, 20) { return .documentation }
        if within(0x2001_0002_0000_0000, 48) { return .benchmark }
        if within(0x2002_0000_0000_0000, 16) {
            // 6to4 reaches what its embedded IPv4 address reaches.
            return reach(v4: UInt32(truncatingIfNeeded: high >> 16))
        }
        return within(0x2000_0000_0000_0000, 3) ? .global : .unusable
    }
}
