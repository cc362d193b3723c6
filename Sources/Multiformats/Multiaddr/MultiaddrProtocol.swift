/// The protocols of the multiaddr table, by their multicodec.
///
/// Source: `protocols.csv` of the multiaddr specification. Deviation: `memory` holds eight bytes, as go-multiaddr and
/// rust-multiaddr write it, where the table says "variable".
public enum MultiaddrProtocol: UInt64, Hashable, Sendable, CaseIterable {
    case ip4 = 4
    case tcp = 6
    case dccp = 33
    case ip6 = 41
    case ip6zone = 42
    case ipcidr = 43
    case dns = 53
    case dns4 = 54
    case dns6 = 55
    case dnsaddr = 56
    case sctp = 132
    case udp = 273
    case p2pWebrtcStar = 275
    case p2pWebrtcDirect = 276
    case p2pStardust = 277
    case webrtcDirect = 280
    case webrtc = 281
    case p2pCircuit = 290
    case udt = 301
    case utp = 302
    case unix = 400
    case p2p = 421
    case https = 443
    case onion = 444
    case onion3 = 445
    case garlic64 = 446
    case garlic32 = 447
    case tls = 448
    case sni = 449
    case noise = 454
    case quic = 460
    case quicV1 = 461
    case webtransport = 465
    case certhash = 466
    case ws = 477
    case wss = 478
    case p2pWebsocketStar = 479
    case http = 480
    case httpPath = 481
    case memory = 777
    case plaintextv2 = 7_367_777
}

extension MultiaddrProtocol {
    /// The protocol's name in text.
    public var name: String {
        switch self {
        case .ip4: "ip4"
        case .tcp: "tcp"
        case .dccp: "dccp"
        case .ip6: "ip6"
        case .ip6zone: "ip6zone"
        case .ipcidr: "ipcidr"
        case .dns: "dns"
        case .dns4: "dns4"
        case .dns6: "dns6"
        case .dnsaddr: "dnsaddr"
        case .sctp: "sctp"
        case .udp: "udp"
        case .p2pWebrtcStar: "p2p-webrtc-star"
        case .p2pWebrtcDirect: "p2p-webrtc-direct"
        case .p2pStardust: "p2p-stardust"
        case .webrtcDirect: "webrtc-direct"
        case .webrtc: "webrtc"
        case .p2pCircuit: "p2p-circuit"
        case .udt: "udt"
        case .utp: "utp"
        case .unix: "unix"
        case .p2p: "p2p"
        case .https: "https"
        case .onion: "onion"
        case .onion3: "onion3"
        case .garlic64: "garlic64"
        case .garlic32: "garlic32"
        case .tls: "tls"
        case .sni: "sni"
        case .noise: "noise"
        case .quic: "quic"
        case .quicV1: "quic-v1"
        case .webtransport: "webtransport"
        case .certhash: "certhash"
        case .ws: "ws"
        case .wss: "wss"
        case .p2pWebsocketStar: "p2p-websocket-star"
        case .http: "http"
        case .httpPath: "http-path"
        case .memory: "memory"
        case .plaintextv2: "plaintextv2"
        }
    }

    /// The protocol of a name, `ipfs` being the old name of `p2p`; nil for an unknown one.
    public init?(name: some StringProtocol) {
        guard let found = withUTF8(of: name, { MultiaddrProtocol(utf8: $0) }) else { return nil }
        self = found
    }

    /// The protocol of a name's bytes. Comparing words along the table is several times as fast as hashing a string.
    init?(utf8 name: UnsafeBufferPointer<UInt8>) {
        let head = Self.head(of: name)
        let table = Self.names
        for entry in table where entry.head == head && entry.count == name.count {
            guard entry.name.elementsEqual(name.dropFirst(8)) else { continue }
            self = entry.found
            return
        }
        return nil
    }

    /// Each name as its first eight bytes, its length, and the bytes behind the eighth.
    private static let names: [(head: UInt64, count: Int, name: ArraySlice<UInt8>, found: MultiaddrProtocol)] = {
        let entries = [(MultiaddrProtocol.p2p, "ipfs")] + allCases.map { ($0, $0.name) }
        return entries.map { found, name in
            let bytes = Array(name.utf8)
            return (bytes.withUnsafeBufferPointer(head(of:)), bytes.count, bytes.dropFirst(8), found)
        }
    }()

    private static func head(of name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        name.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Whether the protocol names a host by a domain name.
    var isDNS: Bool {
        switch self {
        case .dns, .dns4, .dns6, .dnsaddr: true
        default: false
        }
    }

    /// What stands behind the protocol's code, in text and in binary.
    var value: MultiaddrValue {
        switch self {
        case .ip4: .ip4
        case .ip6: .ip6
        case .tcp, .udp, .dccp, .sctp: .port
        case .ipcidr: .prefixLength
        case .memory: .number
        case .dns, .dns4, .dns6, .dnsaddr, .ip6zone, .sni: .name
        case .unix: .path
        case .httpPath: .escapedPath
        case .p2p: .peerID
        case .certhash: .multihash
        case .onion: .onion(hostBytes: 10)
        case .onion3: .onion(hostBytes: 35)
        case .garlic64: .garlic64
        case .garlic32: .garlic32
        case .p2pWebrtcStar, .p2pWebrtcDirect, .p2pStardust, .webrtcDirect, .webrtc, .p2pCircuit, .udt, .utp, .https,
            .tls, .noise, .quic, .quicV1, .webtransport, .ws, .wss, .p2pWebsocketStar, .http, .plaintextv2:
            .none
        }
    }
}
