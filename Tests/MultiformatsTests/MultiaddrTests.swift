import Kademlia
import Multiformats
import Testing

@Suite("Multiaddr")
struct MultiaddrTests {
    static let onion3 = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"

    @Test(
        "Text and binary are those of go-multiaddr",
        arguments: [
            ("/ip4/127.0.0.1/udp/1234", "047f000001910204d2"),
            ("/ip4/127.0.0.1/tcp/4321", "047f0000010610e1"),
            ("/ip4/127.0.0.1/udp/1234/ip4/127.0.0.1/tcp/4321", "047f000001910204d2047f0000010610e1"),
            ("/onion/aaimaq4ygg2iegci:80", "bc030010c0439831b48218480050"),
            (
                "/onion3/\(onion3):1234",
                "bd03adadec040be047f9658668b11a504f3155001f231a37f54c4476c07fb4cc139ed7e30304d2"
            ),
            (
                "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq",
                "bf0320efbcd45d0c5dc79781ac6f20ea5055a036afb48d45a52e7d68ec7d4338919e69"
            ),
            ("/garlic64/\(MultiaddrSamples.garlic64)", MultiaddrSamples.garlic64Binary),
            ("/ip6/::1/tcp/80/ws", "2900000000000000000000000000000001060050dd03"),
            (
                "/dns4/example.net/tcp/443/tls/sni/a.b/http/http-path/x%2Fy%20z",
                "360b6578616d706c652e6e65740601bbc003c10303612e62e003e10305782f79207a"
            ),
            ("/memory/18446744073709551615", "8906ffffffffffffffff"),
            ("/ip4/192.0.2.0/ipcidr/24", "04c00002002b18"),
            ("/ip6zone/eth0/ip6/fe80::1", "2a046574683029fe800000000000000000000000000001"),
            ("/unix/a/b/c", "9003062f612f622f63"),
            ("/tcp/0/plaintextv2", "060000e1d8c103"),
            ("/p2p-circuit", "a202"),
        ] as [(String, String)])
    func vectors(text: String, binary: String) throws {
        let address = try Multiaddr(text)
        #expect(Hex.encode(address.bytes) == binary)
        #expect(address.description == text)
        #expect(try Multiaddr(bytes: hex(binary)) == address)
    }

    @Test(
        "What go-multiaddr accepts is accepted, and its canonical text and binary are stable",
        arguments: MultiaddrSamples.good)
    func good(text: String) throws {
        let address = try Multiaddr(text)
        #expect(try Multiaddr(address.description) == address)
        #expect(try Multiaddr(address.description).description == address.description)
        #expect(try Multiaddr(bytes: address.bytes) == address)
    }

    @Test("What go-multiaddr refuses is refused", arguments: MultiaddrSamples.bad)
    func bad(text: String) {
        #expect(throws: MultiaddrError.self) { try Multiaddr(text) }
    }

    @Test("Every address of the IPFS samples is written back as it was read", arguments: MultiaddrSamples.ipfs)
    func samples(text: String) throws {
        let address = try Multiaddr(text)
        #expect(address.description == text)
        #expect(try Multiaddr(bytes: address.bytes) == address)
    }

    @Test("Other spellings are read as the canonical one")
    func spellings() throws {
        let id = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"
        let canonical = try Multiaddr("/ip4/127.0.0.1/tcp/1234/p2p/\(id)")
        let bytes = try PeerIDEncoding.libp2p.decode(id).bytes
        for text in [
            "/ip4/127.0.0.1/tcp/1234/ipfs/\(id)", "/ip4/127.0.0.1/tcp/1234/p2p/\(id)//",
            "/ip4/127.0.0.1/tcp/01234/p2p/\(id)",
            "/ip4/127.0.0.1/tcp/1234/p2p/f0172\(Hex.encode(bytes))",
        ] {
            #expect(try Multiaddr(text) == canonical, "\(text)")
        }
        #expect(
            try Multiaddr("/http-path/a+b%2fc") == Multiaddr(bytes: hex("e10305") + Array("a+b/c".utf8)),
            "a plus sign stands for itself")
    }

    @Test("A certificate hash is read in any multibase and written in base64url")
    func certhash() throws {
        let hash = try Multiaddr("/certhash/b2uaraocy6yrdblb4sfptaddgimjmmpy")
        #expect(hash.description.hasPrefix("/certhash/u1QEQO"))
        #expect(try Multiaddr(hash.description) == hash)
    }

    @Test(
        "An error says what is wrong and where",
        arguments: [
            ("", .empty, 0, 0),
            ("///", .empty, 0, 0),
            ("ip4/1.2.3.4", .missingSlash, 0, 0),
            ("/ip4/1.2.3.4/carrier-pigeon/7", .unknownName("carrier-pigeon"), 13, 1),
            ("/ip4/1.2.3.4/\u{1b}[31m", .unknownName("\\x1b[31m"), 13, 1),
            ("/ip4/1.2.3.4/tcp", .missingValue(.tcp), 16, 1),
            ("/ip4/1.2.3.4/tcp/65536", .notANumber(.tcp, maximum: 65535), 17, 1),
            ("/ip4/::1", .notAnIPAddress(.ip4), 5, 0),
            ("/ip6/1.2.3.4", .notAnIPAddress(.ip6), 5, 0),
            ("/p2p/1", .peerID(.multihash(.varint(.truncated))), 5, 0),
            ("/certhash/!", .unknownMultibase(.certhash), 10, 0),
            ("/onion/aaimaq4ygg2iegci", .missingPort(.onion), 7, 0),
            ("/onion/aaimaq4ygg2iegci:0", .missingPort(.onion), 7, 0),
            // go-multiaddr reads this one and drops the bits.
            (
                "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuqzwassw", .digits(.garlic32, .strayBits),
                10, 0
            ),
            ("/http-path/%2", .badText(.httpPath), 11, 0),
            ("/dns/a b", .badText(.dns), 5, 0),
            ("/dns4/a\u{7f}", .badText(.dns4), 6, 0),
            ("/dns4/\u{202e}moc", .badText(.dns4), 6, 0),
        ] as [(String, MultiaddrError.Reason, Int, Int)])
    func errors(text: String, reason: MultiaddrError.Reason, offset: Int, component: Int) throws {
        let error = try #require(throws: MultiaddrError.self) { try Multiaddr(text) }
        #expect(error.reason == reason)
        #expect(error.offset == offset)
        #expect(error.component == component)
        #expect(error.description.hasPrefix("not a multiaddr: "))
    }

    @Test(
        "Binary that is cut, redundant or unknown is refused where it goes wrong",
        arguments: [
            ("", .empty, 0, 0),
            ("047f0000", .truncated(.ip4, declared: 4, available: 3), 0, 0),
            ("047f00000106", .truncated(.tcp, declared: 2, available: 0), 5, 1),
            ("047f0000018600", .varint(.notMinimal), 5, 1),
            ("047f000001ff", .varint(.truncated), 5, 1),
            ("05", .unknownCode(5), 0, 0),
            ("350a6162", .truncated(.dns, declared: 10, available: 2), 0, 0),
            ("35ffffffffffffffff7f", .truncated(.dns, declared: .max >> 1, available: 0), 0, 0),
            ("3500", .badText(.dns), 2, 0),
            ("3503612f62", .badText(.dns), 2, 0),
            ("3502c328", .badText(.dns), 2, 0),
            ("3502c285", .badText(.dns), 2, 0),
            ("a503020000", .peerID(.digestLength(hashFunction: 0, count: 0)), 3, 0),
            ("9003022f61060050", .behindPath, 5, 1),
            ("9003032f612f", .badText(.unix), 3, 0),
            ("bc03000000000000000000000000", .missingPort(.onion), 2, 0),
        ] as [(String, MultiaddrError.Reason, Int, Int)])
    func binaryErrors(binary: String, reason: MultiaddrError.Reason, offset: Int, component: Int) throws {
        // The second time as a slice of a longer buffer: what lies around it is neither read nor counted.
        for bytes in [hex(binary)[...], ([4, 4] + hex(binary) + [4])[2...].dropLast()] {
            let error = try #require(throws: MultiaddrError.self) { try Multiaddr(bytes: bytes) }
            #expect(error.reason == reason)
            #expect(error.offset == offset)
            #expect(error.component == component)
        }
    }

    @Test("Length and number of components are limited in both forms")
    func limits() throws {
        let many = String(repeating: "/ws", count: Multiaddr.componentLimit)
        #expect(try Multiaddr(many).description == many)
        #expect(throws: MultiaddrError.self) { try Multiaddr(many + "/ws") }
        #expect(throws: MultiaddrError.self) { try Multiaddr(bytes: Multiaddr(many).bytes + [0xdd, 0x03]) }
        let long = "/dns/" + String(repeating: "a", count: Multiaddr.byteLimit - 3)
        #expect(try Multiaddr(long).bytes.count == Multiaddr.byteLimit)
        #expect(throws: MultiaddrError.self) { try Multiaddr(long + "a") }
        #expect(throws: MultiaddrError.self) { try Multiaddr(bytes: Multiaddr(long).bytes + [0xdd, 0x03]) }
        #expect(throws: MultiaddrError.self) {
            try Multiaddr("/ip4/1.2.3.4" + String(repeating: "/", count: Multiaddr.textLimit))
        }
    }

    @Test("Every protocol's name finds it, and ipfs is p2p")
    func names() {
        for name in MultiaddrProtocol.allCases { #expect(MultiaddrProtocol(name: name.name) == name) }
        #expect(MultiaddrProtocol(name: "ipfs") == .p2p)
        #expect(MultiaddrProtocol(name: "IP4") == nil)
    }
}
