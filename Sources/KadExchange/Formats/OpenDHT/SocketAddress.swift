import Kademlia

/// A raw `sockaddr_in` or `sockaddr_in6`, as the host that wrote it lays it out.
///
///     sockaddr_in    16 bytes: family 2, port 2, address 4, zero 8
///     sockaddr_in6   28 bytes: family 2, port 2, flow 4, address 16, scope 4
///
/// Port and address are big-endian everywhere. The family is a number of the host's byte order on Linux and Windows; on
/// the BSDs and macOS its first byte is the length, and its second the family.
enum SocketAddress {
    /// The endpoint in `bytes`; nil for another length, or a family that no system has for it.
    static func endpoint(_ bytes: [UInt8]) -> UDPEndpoint? {
        let families: Set<UInt8>
        let address: Range<Int>
        switch bytes.count {
        case 16: (families, address) = ([2], 4..<8)
        // Linux; Windows; NetBSD and OpenBSD; Solaris; FreeBSD; macOS.
        case 28: (families, address) = ([10, 23, 24, 26, 28, 30], 8..<24)
        default: return nil
        }
        guard families.contains(bytes[0]) || families.contains(bytes[1]), let ip = IPAddress(bytes: bytes[address])
        else { return nil }
        return UDPEndpoint(ip: ip, port: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
    }

    /// As Linux lays it out on little-endian machines.
    static func bytes(_ endpoint: UDPEndpoint) -> [UInt8] {
        let family: UInt8 = endpoint.isV4 ? 2 : 10
        let address = endpoint.ip.bytes
        return endpoint.isV4
            ? [family, 0] + endpoint.portBytes + address + [UInt8](repeating: 0, count: 8)
            : [family, 0] + endpoint.portBytes + [0, 0, 0, 0] + address + [0, 0, 0, 0]
    }
}
