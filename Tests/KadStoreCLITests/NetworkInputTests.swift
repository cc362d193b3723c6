import KadNode
import KadStore
import Kademlia
import Logging
import Multiformats
import Synchronization
import Testing

@testable import KadStoreCLI

@Suite("What the commands of the network take and tell")
struct NetworkInputTests {
    @Test("an address for metrics is of this machine unless another is named")
    func metricsAddress() {
        func parse(_ text: String) -> String? { MetricsAddress(argument: text).map(\.defaultValueDescription) }
        #expect(parse("9464") == "127.0.0.1:9464" && parse(":0") == "127.0.0.1:0")
        #expect(parse("0.0.0.0:80") == "0.0.0.0:80" && parse("[::1]:9464") == "[::1]:9464")
        for wrong in ["", "x", "65536", "1:2:3", "::1", "host:", "[]:1", "-1", "1 "] { #expect(parse(wrong) == nil) }
    }

    @Test("the key of a value is its text; behind /pk and /ipns stands a peer's id in binary")
    func valueKeys() throws {
        let id = try Samples.id(1)
        #expect(try ContentKey.value("/test/a/b").bytes == Array("/test/a/b".utf8))
        #expect(try ContentKey.value("/pk/\(Samples.text(id))").bytes == Array("/pk/".utf8) + Array(id.bytes))
        #expect(try ContentKey.value("/ipns/\(Samples.text(id))").bytes == Array("/ipns/".utf8) + Array(id.bytes))
        #expect(try ContentKey.value("0x2F00ff").bytes == [0x2f, 0, 0xff])
        for wrong in ["", "x", "/x", "/x/", "//x", "0x1", "/t/" + String(repeating: "x", count: 48)] {
            #expect(throws: CommandError.self, "\(wrong)") { try ContentKey.value(wrong) }
        }
    }

    @Test("the key of what is provided is a CID's multihash, or text as it is")
    func contentKeys() throws {
        let hash = try ContentKey.content("0x1220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a")
            .bytes
        #expect(try ContentKey.content("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR").bytes == hash)
        #expect(try ContentKey.content("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi").bytes == hash)
        #expect(try ContentKey.content("hello").bytes == Array("hello".utf8))
        #expect(try ContentKey.content("0x1340" + String(repeating: "ab", count: 64)).bytes.count == 66)
        for wrong in ["x", "", "0x", "0xab", String(repeating: "x", count: 51)] {
            #expect(throws: CommandError.self, "\(wrong)") { try ContentKey.content(wrong) }
        }
    }

    @Test("bootstrap addresses end in a peer's id, and those of one peer belong together")
    func bootstrap() throws {
        let (first, second) = (try Samples.text(Samples.id(1)), try Samples.text(Samples.id(2)))
        let texts = [
            "/ip4/10.0.0.1/tcp/1/p2p/\(first)", "/ip4/10.0.0.2/tcp/1/p2p/\(second)",
            "/ip6/::1/tcp/2/p2p/\(first)", "/ip4/10.0.0.1/tcp/1/p2p/\(first)",
        ]
        let peers = try PeerAddresses.peers(texts.map { try #require(AddressArgument(argument: $0)) })
        #expect(try peers.map(\.0) == [Samples.id(1), Samples.id(2)])
        #expect(peers[0].1.map(\.description) == ["/ip4/10.0.0.1/tcp/1", "/ip6/::1/tcp/2"])
        let bare = try #require(AddressArgument(argument: "/ip4/10.0.0.1/tcp/1"))
        #expect(throws: CommandError.self) { try PeerAddresses.peers([bare]) }
        // Of a peer one that can be dialled is enough.
        let unfit = try ["/dnsaddr/bootstrap.example/p2p/\(first)", "/ip4/10.0.0.1/udp/1/quic-v1/p2p/\(first)"]
            .map { try #require(AddressArgument(argument: $0)) }
        #expect(throws: CommandError.self) { try PeerAddresses.peers(unfit) }
        let fit = try #require(AddressArgument(argument: "/dns4/example.org/tcp/1/p2p/\(first)"))
        #expect(try PeerAddresses.peers(unfit + [fit]).first?.1.count == 3)
        #expect(AddressArgument(argument: "10.0.0.1:4001") == nil)
    }

    @Test("a namespace that nobody here can judge is refused with the option that takes it")
    func unknownNamespace() {
        let error = ContentError.refused(.unknownNamespace("other"))
        #expect("\(CommandError.suggesting(for: error))".contains("--accept other"))
        #expect(ExitStatus(error) == .usage)
    }

    @Test("a node listens on sockets of this machine, and announces what can be dialled")
    func ownAddresses() throws {
        func isTaken(_ text: String, by check: ([AddressArgument]) throws -> Void) throws -> Bool {
            let argument = try #require(AddressArgument(argument: text))
            return (try? check([argument])) != nil
        }
        let id = try Samples.text(Samples.id(1))
        for good in ["/ip4/127.0.0.1/tcp/0", "/ip6/::/tcp/4001"] {
            #expect(try isTaken(good, by: PeerAddresses.checkListening), "\(good)")
        }
        for wrong in [
            "/ip4/127.0.0.1/udp/4001", "/dns4/localhost/tcp/0", "/ip4/127.0.0.1", "/ip4/127.0.0.1/tcp/0/ws",
            "/ip4/127.0.0.1/tcp/0/p2p/\(id)",
        ] {
            #expect(try !isTaken(wrong, by: PeerAddresses.checkListening), "\(wrong)")
        }
        for good in ["/dns4/example.org/tcp/4001", "/ip4/203.0.113.7/udp/4001/quic-v1", "/ip6/::1/tcp/1"] {
            #expect(try isTaken(good, by: { try PeerAddresses.checkAnnouncing($0) }), "\(good)")
        }
        for wrong in [
            "/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/1", "/ip4/203.0.113.7/tcp/0", "/ip4/203.0.113.7/tcp/1/p2p/\(id)",
        ] {
            #expect(try !isTaken(wrong, by: { try PeerAddresses.checkAnnouncing($0) }), "\(wrong)")
        }
    }

    @Test("log lines are whole lines, harmless whatever strangers call themselves")
    func logs() throws {
        let at = Instant(milliseconds: 1_700_000_000_250)
        var lines = LogLines(.text, level: .info)
        lines.terminal = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: nil)
        let pairs = [("agent", Samples.hostileAgent), ("n", "a b"), ("e", "")]
        let text = lines.line(.warning, "peer dropped", pairs, at: at)
        #expect(text.hasPrefix("2023-11-14T22:13:20.250Z warning peer dropped agent=kubo\\u{1b}[2J"))
        #expect(text.hasSuffix(" n=\"a b\" e=\"\""))
        #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x9b && $0.value != 0x202e })
        let json = LogLines(.json, level: .info)
            .line(.error, "a \"b\"", [("agent", Samples.hostileAgent)], at: at)
        let value = try JSONValue(json)
        #expect(value["level"] == .text("error") && value["message"] == .text("a \"b\""))
        #expect(value["metadata"]?["agent"] == .text(Samples.hostileAgent))
        #expect(json.unicodeScalars.allSatisfy { (0x20..<0x7f).contains($0.value) })
    }

    @Test("a logger's own metadata and an event's are told together")
    func metadata() {
        let written = Lines()
        var handler = LogLines(.text, level: .debug)
        handler.terminal = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: nil)
        handler.write = { written.add($0) }
        var logger = handler.logger("test")
        logger[metadataKey: "node"] = "a"
        logger.debug("hello", metadata: ["peer": "b"])
        logger.trace("not this")
        #expect(written.all.count == 1)
        #expect(written.all.first?.hasSuffix(" debug   hello node=a peer=b\n") == true)
    }
}

private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
