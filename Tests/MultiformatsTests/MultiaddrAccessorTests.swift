import Kademlia
import Multiformats
import Testing

@Suite("Parts of a multiaddr")
struct MultiaddrAccessorTests {
    let relay = "12D3KooWCmBiXQRKqTPiQFZ7YKCxvewPEqWaUyGgemowB5mpeUBC"
    let peer = "12D3KooWQESzG5JVc63XV9t8JiMDhjDEVNo4gWxWnMS7PD6T6MiP"

    @Test("The peer id is that of the destination, not of a relay")
    func peerID() throws {
        let id = try PeerIDEncoding.libp2p.decode(peer)
        #expect(try Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(peer)").peerID == id)
        #expect(try Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)/p2p-circuit/p2p/\(peer)").peerID == id)
        #expect(try Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)/p2p-circuit").peerID == nil)
        #expect(try Multiaddr("/ip4/1.2.3.4/tcp/1").peerID == nil)
    }

    @Test("The peer id is dropped and put back, also in a slice of a shared buffer")
    func dropping() throws {
        let id = try PeerIDEncoding.libp2p.decode(peer)
        let plain = try Multiaddr("/ip4/1.2.3.4/udp/1/quic-v1")
        let full = try Multiaddr("/ip4/1.2.3.4/udp/1/quic-v1/p2p/\(peer)")
        let shared = try Multiaddr(bytes: ([1, 2, 3] + full.bytes)[3...])
        #expect(shared == full)
        #expect(shared.hashValue == full.hashValue)
        #expect(shared.peerID == id)
        #expect(shared.withoutPeerID == plain)
        #expect(plain.withoutPeerID == plain)
        #expect(try plain.with(peerID: id) == full)
        #expect(try full.with(peerID: id) == full)
        #expect(try Multiaddr("/p2p/\(peer)").withoutPeerID == nil)
        let short = try #require(PeerID([1, 2, 3]))
        #expect(throws: MultiaddrError.self) { try plain.with(peerID: short) }
    }

    @Test(
        "IP address and port are those at the front",
        arguments: [
            ("/ip4/192.0.2.7/tcp/4001", "192.0.2.7", 4001), ("/ip4/192.0.2.7/udp/4001/quic-v1", "192.0.2.7", 4001),
            ("/ip6/2001:db8::1/udp/65535", "2001:db8::1", 65535), ("/ip4/192.0.2.7", "192.0.2.7", nil),
            ("/ip4/192.0.2.7/sctp/5", "192.0.2.7", nil), ("/dns4/a.example/tcp/443/wss", nil, 443),
            ("/tcp/80", nil, nil), ("/ip6zone/eth0/ip6/fe80::1/tcp/80", nil, nil),
            ("/p2p-circuit/ip4/1.2.3.4", nil, nil),
            ("/memory/1/tcp/80", nil, nil),
        ] as [(String, String?, UInt16?)])
    func endpoint(text: String, ip: String?, port: UInt16?) throws {
        let address = try Multiaddr(text)
        #expect(address.ipAddress == ip.flatMap { IPAddress(text: $0) })
        #expect(address.port == port)
    }

    @Test("Relays and domain names are told")
    func kinds() throws {
        #expect(try Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)/p2p-circuit").isRelayed)
        #expect(try !Multiaddr("/ip4/1.2.3.4/tcp/1/p2p/\(relay)").isRelayed)
        for name in ["dns", "dns4", "dns6", "dnsaddr"] { #expect(try Multiaddr("/\(name)/a.example").isDNS) }
        #expect(try !Multiaddr("/ip4/1.2.3.4/tcp/443/tls/sni/a.example").isDNS)
    }

    @Test("A public address counts in its network, a private one as its endpoint")
    func groups() throws {
        let address = try Multiaddr("/ip4/192.0.2.7/tcp/4001")
        let ip = try #require(address.ipAddress)
        #expect(address.networkGroup(private: false) == NetworkGroup(ip))
        #expect(address.networkGroup(private: true) == .endpoint(ip, port: 4001))
        #expect(try Multiaddr("/ip4/192.0.2.7").networkGroup(private: true) == nil)
        #expect(try Multiaddr("/dns4/a.example/tcp/1").networkGroup(private: false) == nil)
    }

    @Test("An address made of IP address and port equals the parsed one")
    func factories() throws {
        for text in ["192.0.2.7", "2001:db8::1"] {
            let ip = try #require(IPAddress(text: text))
            let kind = text.contains(":") ? "ip6" : "ip4"
            #expect(try Multiaddr(ip: ip, udp: 6881) == Multiaddr("/\(kind)/\(text)/udp/6881"))
            #expect(try Multiaddr(ip: ip, tcp: 80) == Multiaddr("/\(kind)/\(text)/tcp/80"))
        }
    }

    @Test("Components are read from left to right, with their bytes")
    func components() throws {
        let components = Array(try Multiaddr("/dns4/a.b/tcp/443/wss/p2p/\(peer)").components)
        #expect(components.map(\.name) == [.dns4, .tcp, .wss, .p2p])
        #expect(components.map { Array($0.value.prefix(3)) } == [Array("a.b".utf8), [1, 187], [], [0, 0x24, 8]])
        #expect(components.map(\.description) == ["/dns4/a.b", "/tcp/443", "/wss", "/p2p/\(peer)"])
    }
}
