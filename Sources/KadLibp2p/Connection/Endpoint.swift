import Kademlia
import Multiformats
import NIOCore

/// Where a TCP connection goes, as a multiaddr says it.
enum Endpoint: Hashable, Sendable {
    case ip(IPAddress, port: UInt16)
    case name(String, Family?, port: UInt16)

    enum Family: Hashable, Sendable { case v4, v6 }

    /// Reads `/ip4|ip6|dns|dns4|dns6/…/tcp/…`, with or without `/p2p/…` at the end; nil for everything else: other transports,
    /// relays, zones, and `dnsaddr`, which takes TXT records.
    init?(_ address: Multiaddr) {
        var components = address.components
        guard let host = components.next(), let transport = components.next(), transport.name == .tcp,
            transport.value.count == 2
        else { return nil }
        if let last = components.next() {
            guard last.name == .p2p, components.next() == nil else { return nil }
        }
        let port = transport.value.reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
        switch host.name {
        case .ip4, .ip6:
            guard let ip = IPAddress(bytes: host.value) else { return nil }
            self = .ip(ip, port: port)
        case .dns: self = .name(String(decoding: host.value, as: UTF8.self), nil, port: port)
        case .dns4: self = .name(String(decoding: host.value, as: UTF8.self), .v4, port: port)
        case .dns6: self = .name(String(decoding: host.value, as: UTF8.self), .v6, port: port)
        default: return nil
        }
    }
}

extension Multiaddr {
    /// Whether it can be dialled: TCP, to an IP address or a name that DNS has addresses of. `/dnsaddr` is none, other
    /// multiaddrs stand behind it.
    public var isDialable: Bool { Endpoint(self) != nil }
}

extension IPAddress {
    var family: Endpoint.Family {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// The address itself where IPv6 carries one of IPv4 (`::ffff:0:0/96`), as sockets of both families report it.
    var unmapped: IPAddress {
        guard case .v6(high: 0, let low) = self, low >> 32 == 0xffff else { return self }
        return .v4(UInt32(truncatingIfNeeded: low))
    }

    /// The smallest network that one customer of a provider has: an IPv4 address, or an IPv6 /56, in which there are more
    /// addresses than anybody could count. go-libp2p limits connections by the same.
    var subscriber: IPAddress {
        guard case .v6(let high, _) = self else { return self }
        return .v6(high: high & ~0xff, low: 0)
    }

    /// `0.0.0.0` or `::`: every address of this machine.
    var isUnspecified: Bool {
        switch self {
        case .v4(let address): address == 0
        case .v6(let high, let low): high == 0 && low == 0
        }
    }
}

extension SocketAddress {
    init(_ ip: IPAddress, port: UInt16) throws {
        try self.init(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(port))
    }

    /// The IP address and port; nil for a socket of another kind.
    var ip: (address: IPAddress, port: UInt16)? {
        let bytes: [UInt8]
        switch self {
        case .v4(let address): bytes = withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
        case .v6(let address): bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
        case .unixDomainSocket: return nil
        }
        guard let ip = IPAddress(bytes: bytes), let port else { return nil }
        return (ip.unmapped, UInt16(truncatingIfNeeded: port))
    }

    /// `/ip4|ip6/…/tcp/…`
    var multiaddr: Multiaddr? { ip.map { Multiaddr(ip: $0.address, tcp: $0.port) } }
}

/// The addresses of this machine's interfaces.
enum Interfaces {
    /// Of one family, without link-local ones, which mean nothing to others.
    static func addresses(_ family: Endpoint.Family) -> [IPAddress] {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.compactMap { $0.address?.ip?.address }.filter { ip in
            ip.family == family && ip.reach != .linkLocal && !ip.isUnspecified
        }
    }

    /// Whether a machine of these addresses may have a way to another one. From a private IPv4 address it leads to all of the
    /// internet; from a private IPv6 one nowhere, as a rule.
    static func reaches(_ target: IPAddress, from own: [IPAddress]) -> Bool {
        own.contains { ip in
            ip.reach == .global || ip.reach != .loopback && (ip.family == .v4 || target.reach != .global)
        }
    }
}
