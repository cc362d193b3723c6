import Kademlia
import Multiformats

/// An IP address and a UDP port: what mainline's programs and OpenDHT know a node by.
struct UDPEndpoint: Hashable {
    let ip: IPAddress
    let port: UInt16

    /// Of an address that is `/ip4/…/udp/…` or `/ip6/…/udp/…` and nothing more; nil for any other.
    init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress, let port = address.port, port != 0,
            address == Multiaddr(ip: ip, udp: port)
        else { return nil }
        self.ip = ip
        self.port = port
    }

    /// The compact form of BEP 5 and BEP 32: 4 or 16 bytes of address, 2 of port, big-endian. Nil for any other length.
    init?(compact bytes: ArraySlice<UInt8>) {
        guard bytes.count == 6 || bytes.count == 18, let ip = IPAddress(bytes: bytes.dropLast(2)) else { return nil }
        self.ip = ip
        port = bytes.suffix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
    }

    init(ip: IPAddress, port: UInt16) {
        self.ip = ip
        self.port = port
    }

    var isV4: Bool {
        if case .v4 = ip { true } else { false }
    }

    var multiaddr: Multiaddr { Multiaddr(ip: ip, udp: port) }

    /// 6 or 18 bytes.
    var compact: [UInt8] { ip.bytes + portBytes }

    var portBytes: [UInt8] { [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)] }
}
