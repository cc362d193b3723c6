import Kademlia

extension Multiaddr {
    /// The id of the peer that is reached: the value of `/p2p` where that is the last component.
    ///
    /// The id of a relay, which stands further left, is not taken for it. Shares the address's buffer.
    public var peerID: PeerID? {
        guard let last, last.name == .p2p else { return nil }
        return PeerID(bytes[last.value])
    }

    /// The address without a `/p2p` at its end; nil when nothing is left.
    public var withoutPeerID: Multiaddr? {
        guard let last, last.name == .p2p else { return self }
        return last.start > bytes.startIndex ? Multiaddr(unchecked: bytes[..<last.start]) : nil
    }

    /// The address with `/p2p/<id>` at its end, in place of one that stands there.
    ///
    /// - Throws: ``MultiaddrError`` for an id that is no libp2p one, or an address that gets too long by it.
    public func with(peerID: PeerID) throws(MultiaddrError) -> Multiaddr {
        var output = Array(withoutPeerID?.bytes ?? [])
        Varint.append(MultiaddrProtocol.p2p.rawValue, to: &output)
        Varint.append(UInt64(peerID.bytes.count), to: &output)
        output.append(contentsOf: peerID.bytes)
        return try Multiaddr(bytes: output)
    }

    /// The address of the first component, if it is an IP address. For a relayed address that is the relay's.
    public var ipAddress: IPAddress? { bytes.withUnsafeBufferPointer { Self.endpoint(of: $0).ip } }

    /// The port of a `/tcp` or `/udp` that directly follows a first component of an IP address or domain name.
    public var port: UInt16? { bytes.withUnsafeBufferPointer { Self.endpoint(of: $0).port } }

    /// Whether the peer is reached through a relay.
    public var isRelayed: Bool { contains { $0 == .p2pCircuit } }

    /// Whether the first component is a domain name.
    public var isDNS: Bool { components.first { _ in true }?.name.isDNS ?? false }

    /// The group that diversity limits count the address in: its network in a public store, its endpoint in a private
    /// one; nil for an address without IP address, or without port in a private store.
    public func networkGroup(private isPrivate: Bool) -> NetworkGroup? {
        let (ip, port) = bytes.withUnsafeBufferPointer(Self.endpoint)
        guard let ip else { return nil }
        guard isPrivate else { return NetworkGroup(ip) }
        return port.map { .endpoint(ip, port: $0) }
    }

    private static func endpoint(of bytes: UnsafeBufferPointer<UInt8>) -> (ip: IPAddress?, port: UInt16?) {
        var reader = ComponentReader()
        guard let host = try? reader.next(in: bytes) else { return (nil, nil) }
        let value = bytes.part(host.value)
        let ip: IPAddress?
        switch host.name {
        case .ip4: ip = .v4(UInt32(truncatingIfNeeded: bigEndian(value)))
        case .ip6: ip = .v6(high: bigEndian(value.part(0..<8)), low: bigEndian(value.part(8..<16)))
        case let name where name.isDNS: ip = nil
        default: return (nil, nil)
        }
        guard let transport = try? reader.next(in: bytes), transport.name == .tcp || transport.name == .udp else {
            return (ip, nil)
        }
        return (ip, UInt16(truncatingIfNeeded: bigEndian(bytes.part(transport.value))))
    }

    private static func bigEndian(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func contains(_ isWanted: (MultiaddrProtocol) -> Bool) -> Bool {
        bytes.withUnsafeBufferPointer { buffer in
            var reader = ComponentReader()
            while let found = try? reader.next(in: buffer) {
                if isWanted(found.name) { return true }
            }
            return false
        }
    }

    /// The last component, with indices into `bytes`.
    private var last: (name: MultiaddrProtocol, start: Int, value: Range<Int>)? {
        bytes.withUnsafeBufferPointer { buffer in
            var reader = ComponentReader()
            var last: (name: MultiaddrProtocol, start: Int, value: Range<Int>)?
            let base = bytes.startIndex
            var start = base
            while let found = try? reader.next(in: buffer) {
                last = (found.name, start, (base + found.value.lowerBound)..<(base + found.value.upperBound))
                start = base + reader.offset
            }
            return last
        }
    }
}
