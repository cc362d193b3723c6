/// The part of the network that one operator is likely to hold: what diversity limits count.
///
/// A public store groups by /24 and /48, the smallest blocks that are routed and sold; a private one takes each
/// endpoint as a group of its own, so that a swarm on one machine works.
public enum NetworkGroup: Hashable, Sendable {
    /// An IPv4 /24: the address shifted right by 8.
    case ipv4(UInt32)
    /// An IPv6 /48: the upper half shifted right by 16.
    case ipv6(UInt64)
    /// One endpoint of a private network.
    case endpoint(IPAddress, port: UInt16)

    /// The group of a public address.
    public init(_ address: IPAddress) {
        switch address {
        case .v4(let value): self = .ipv4(value >> 8)
        case .v6(let high, _): self = .ipv6(high >> 16)
        }
    }

    /// The stored form: 3 bytes for a /24, 6 for a /48, 7 or 19 for an endpoint (address, port, and a zero that keeps an
    /// IPv4 endpoint apart from a /48).
    public var bytes: [UInt8] {
        switch self {
        case .ipv4(let prefix): Array(IPAddress.v4(prefix << 8).bytes.prefix(3))
        case .ipv6(let prefix): Array(IPAddress.v6(high: prefix << 16, low: 0).bytes.prefix(6))
        case .endpoint(let address, let port):
            address.bytes + [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port), 0]
        }
    }

    /// The group of a stored form; nil for bytes that are none.
    public init?(bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        switch bytes.count {
        case 3:
            guard let address = IPAddress(bytes: bytes + [0]) else { return nil }
            self.init(address)
        case 6:
            guard let address = IPAddress(bytes: bytes + [UInt8](repeating: 0, count: 10)) else { return nil }
            self.init(address)
        case 7, 19:
            guard let address = IPAddress(bytes: bytes.dropLast(3)), bytes[bytes.count - 1] == 0 else { return nil }
            let port = UInt16(bytes[bytes.count - 3]) << 8 | UInt16(bytes[bytes.count - 2])
            self = .endpoint(address, port: port)
        default: return nil
        }
    }
}
