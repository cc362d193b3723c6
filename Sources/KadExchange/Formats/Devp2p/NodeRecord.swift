import Kademlia
import Multiformats

/// Why text is no Ethereum node record.
public enum NodeRecordError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It does not begin with `enr:`.
    case prefix
    /// More bytes than a record may have.
    case tooLong(limit: Int)
    case base64(BaseError)
    /// An item runs over the end.
    case cutOff
    /// An item is not in the one form that it may have.
    case encoding
    /// It is no list of a signature, a sequence number and pairs.
    case layout
    /// Its keys are not in order, or one is there twice.
    case keyOrder
    /// The value of this key is none of its kind.
    case value(String)

    public var description: String {
        switch self {
        case .prefix: "it does not begin with 'enr:'"
        case .tooLong(let limit): "longer than \(limit) bytes"
        case .base64(let error): "not Base64url: \(error)"
        case .cutOff: "it ends in the middle"
        case .encoding: "not in the shortest form"
        case .layout: "no list of a signature, a number and pairs"
        case .keyOrder: "its keys are not in order, or one is there twice"
        case .value(let key): "a bad value of '\(key)'"
        }
    }
}

/// The endpoints in an Ethereum node record (EIP-778): one of IPv4 and one of IPv6, each with a port of UDP and of TCP.
///
///     enr:<Base64url of RLP [signature, sequence number, key, value, key, value …]>
///
/// The signature is not looked at: who signed is not known here either, and a peer stays unverified until it answers.
struct NodeRecord {
    var ip4: IPAddress?
    var ip6: IPAddress?
    var udp: UInt16?
    var tcp: UInt16?
    var udp6: UInt16?
    var tcp6: UInt16?

    static let prefix = Array("enr:".utf8)
    /// The most bytes of a record.
    static let byteLimit = 300

    init(text: UnsafeBufferPointer<UInt8>) throws(NodeRecordError) {
        guard text.starts(with: Self.prefix) else { throw .prefix }
        let digits = text.part(Self.prefix.count..<text.count)
        guard digits.count <= (Self.byteLimit * 4 + 2) / 3 else { throw .tooLong(limit: Self.byteLimit) }
        var bytes: [UInt8] = []
        do throws(BaseError) {
            try Base64URL.decode(utf8: digits, appendingTo: &bytes)
        } catch {
            throw .base64(error)
        }
        var outer = RLPReader(bytes[...])
        guard case .list(let content) = try outer.next(), try outer.next() == nil else { throw .layout }
        try read(RLPReader(content))
    }

    private mutating func read(_ items: RLPReader) throws(NodeRecordError) {
        var items = items
        guard case .bytes = try items.next(), case .bytes = try items.next() else { throw .layout }
        var last: ArraySlice<UInt8>?
        while let item = try items.next() {
            guard case .bytes(let key) = item, let value = try items.next() else { throw .layout }
            if let last, !last.lexicographicallyPrecedes(key) { throw .keyOrder }
            last = key
            switch String(decoding: key, as: UTF8.self) {
            case "ip": ip4 = try Self.address(value, count: 4, "ip")
            case "ip6": ip6 = try Self.address(value, count: 16, "ip6")
            case "udp": udp = try Self.port(value, "udp")
            case "tcp": tcp = try Self.port(value, "tcp")
            case "udp6": udp6 = try Self.port(value, "udp6")
            case "tcp6": tcp6 = try Self.port(value, "tcp6")
            default: break
            }
        }
    }

    private static func address(
        _ item: RLPReader.Item, count: Int, _ key: String
    ) throws(NodeRecordError) -> IPAddress {
        guard case .bytes(let bytes) = item, bytes.count == count, let address = IPAddress(bytes: bytes) else {
            throw .value(key)
        }
        return address
    }

    private static func port(_ item: RLPReader.Item, _ key: String) throws(NodeRecordError) -> UInt16 {
        guard case .bytes(let bytes) = item, bytes.count <= 2, bytes.first != 0 else { throw .value(key) }
        return bytes.reduce(0) { $0 << 8 | UInt16($1) }
    }

    /// The endpoints: UDP, which discovery speaks, before TCP. A port that is not given for IPv6 is that of IPv4; port 0 is
    /// none.
    var addresses: [Multiaddr] {
        var addresses: [Multiaddr] = []
        for (ip, udp, tcp) in [(ip4, udp, tcp), (ip6, udp6 ?? udp, tcp6 ?? tcp)] {
            guard let ip else { continue }
            if let udp, udp != 0 { addresses.append(Multiaddr(ip: ip, udp: udp)) }
            if let tcp, tcp != 0 { addresses.append(Multiaddr(ip: ip, tcp: tcp)) }
        }
        return addresses
    }
}

extension NodeRecord {
    /// A record of the first endpoints that fit together.
    ///
    /// - Parameter addresses: in the order to dial in. The record's own ``addresses`` are some of them.
    init(fitting addresses: [Multiaddr]) {
        for address in addresses {
            guard let ip = address.ipAddress, let port = address.port, port != 0 else { continue }
            let isUDP = address == Multiaddr(ip: ip, udp: port)
            guard isUDP || address == Multiaddr(ip: ip, tcp: port) else { continue }
            switch ip {
            case .v4 where ip4 == nil || ip4 == ip:
                ip4 = ip
                if isUDP { udp = udp ?? port } else { tcp = tcp ?? port }
            case .v6 where ip6 == nil || ip6 == ip:
                ip6 = ip
                if isUDP { udp6 = udp6 ?? port } else { tcp6 = tcp6 ?? port }
            default: continue
            }
        }
        guard ip6 != nil else { return }
        // A port of IPv4 holds for IPv6 as well: one that is the same is left out, one that is not there is 0.
        if udp != nil { udp6 = udp6 == udp ? nil : udp6 ?? 0 }
        if tcp != nil { tcp6 = tcp6 == tcp ? nil : tcp6 ?? 0 }
    }

    /// Appends the text, with an empty signature and the sequence number 0.
    func append(to output: inout [UInt8]) {
        var content: [UInt8] = []
        RLPWriter.append([], to: &content)
        RLPWriter.append(0, to: &content)
        func append(_ key: StaticString, _ value: IPAddress?) {
            guard let value else { return }
            RLPWriter.append(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount), to: &content)
            RLPWriter.append(value.bytes, to: &content)
        }
        func append(_ key: StaticString, _ value: UInt16?) {
            guard let value else { return }
            RLPWriter.append(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount), to: &content)
            RLPWriter.append(value, to: &content)
        }
        // In the order of their bytes.
        append("ip", ip4)
        append("ip6", ip6)
        append("tcp", tcp)
        append("tcp6", tcp6)
        append("udp", udp)
        append("udp6", udp6)
        var record: [UInt8] = []
        RLPWriter.append(list: content, to: &record)
        output.append(contentsOf: Self.prefix)
        Base64URL.append(record[...], to: &output)
    }
}
