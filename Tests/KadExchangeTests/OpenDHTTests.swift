import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("OpenDHT's nodes")
struct OpenDHTTests {
    let scratch = Scratch()

    /// A node as OpenDHT packs it.
    private static func node(_ id: [UInt8], _ address: [UInt8]) -> [UInt8] {
        [0x82, 0xa2] + Array("id".utf8) + [0xc4, UInt8(id.count)] + id + [0xa4] + Array("addr".utf8)
            + [0xc4, UInt8(address.count)] + address
    }

    private static func id(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 20) }

    private static func v4(_ family: [UInt8] = [2, 0], _ last: UInt8 = 1) -> [UInt8] {
        family + [0x10, 0xcc, 10, 0, 0, last] + [UInt8](repeating: 0, count: 8)
    }

    private static func v6(_ family: [UInt8]) -> [UInt8] {
        family + [0x10, 0xcc, 0, 0, 0, 0, 0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1, 0, 0, 0, 0]
    }

    @Test("the list that libopendht 2.4.12 exported brings ids and addresses")
    func list() async throws {
        let store = try await scratch.store(.opendht)
        let source = try ImportSource.open(fixture("opendht-nodes.msgpack"))
        #expect(source.format == .opendht)
        #expect(source.network == .opendht)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.isComplete)
        #expect(report.summary.peers.added == 10)
        let id = try PeerIDEncoding.hex.decode("e8b0b5d661b2bb92b8d2e47e4d7d8b0c702a6a90")
        let record = try #require(try store.record(of: try store.peer(id).key))
        #expect(record.addresses.map(\.address.description) == ["/ip4/127.0.0.1/udp/4300"])
        // Our list of the same nodes has the same entries.
        let sample = read(fixture("opendht-nodes.msgpack"))
        let ours = try await scratch.export(store, .opendht)
        #expect(ours.count == sample.count)
        #expect(Set(Self.entries(ours)) == Set(Self.entries(sample)))
    }

    /// The entries of a list of up to 15 nodes of IPv4.
    private static func entries(_ list: [UInt8]) -> [ArraySlice<UInt8>] {
        let size = node(id(0), v4()).count
        return stride(from: 1, to: list.count, by: size).map { list[$0..<min(list.count, $0 + size)] }
    }

    @Test("the state that dhtnode 2.4.12 kept brings the nodes, and its own id")
    func state() async throws {
        let store = try await scratch.store(.opendht)
        let source = try ImportSource.open(fixture("opendht-state.msgpack"))
        #expect(source.format == .opendhtState)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.isComplete)
        #expect(report.localIDs.map(\.hex) == ["07213a2ac1a1016bb89094b0f204046b375b8fa2"])
        let addresses = try store.allPeers().flatMap(\.addresses).map(\.address.description)
        #expect(Set(addresses) == Set((1...6).map { "/ip4/198.18.0.1/udp/\(22_000 + $0)" }))
    }

    @Test("a socket address is read as Linux, Windows and the BSDs lay it out, by its length")
    func families() async throws {
        let store = try await scratch.store(.opendht)
        let v4Families: [[UInt8]] = [[2, 0], [0, 2], [16, 2]]
        let v6Families: [[UInt8]] = [[10, 0], [0, 10], [23, 0], [28, 30], [28, 28], [28, 24]]
        var file: [UInt8] = [0x90 + UInt8(v4Families.count + v6Families.count)]
        for (index, family) in v4Families.enumerated() { file += Self.node(Self.id(UInt8(index + 1)), Self.v4(family)) }
        for (index, family) in v6Families.enumerated() {
            file += Self.node(Self.id(UInt8(index + 64)), Self.v6(family))
        }
        let report = try await scratch.import(file, into: store)
        #expect(report.isComplete, "\(report.rejections)")
        let addresses = try store.allPeers().flatMap(\.addresses).map(\.address.description)
        #expect(addresses.filter { $0 == "/ip4/10.0.0.1/udp/4300" }.count == v4Families.count)
        #expect(addresses.filter { $0 == "/ip6/2001:db8::1/udp/4300" }.count == v6Families.count)
    }

    @Test("odd nodes are rejected one by one, with their place")
    func oddities() async throws {
        let store = try await scratch.store(.opendht)
        let good = Self.node(Self.id(1), Self.v4())
        let odd: [[UInt8]] = [
            Self.node([1, 2, 3], Self.v4()), Self.node(Self.id(2), Self.v4() + [0]), Self.node(Self.id(3), []),
            Self.node(Self.id(4), Self.v4([7, 0])), Self.node(Self.id(5), Self.v6([2, 0])), [0x05], [0x80],
            [0x81, 0xa2] + Array("id".utf8) + [0xc4, 20] + Self.id(6),
            [0x92, 0xc0, 0x91, 0x81, 0x01, 0xcb] + [UInt8](repeating: 0, count: 8),
            [0x82, 0xa2] + Array("id".utf8) + [0x01, 0xa4] + Array("addr".utf8) + [0x93, 1, 2, 3],
            Self.node(Self.id(7), [2, 0, 0, 0, 10, 0, 0, 1] + [UInt8](repeating: 0, count: 8)),
        ]
        let file = [0xdc, 0, UInt8(odd.count + 1)] + odd.flatMap { $0 } + good
        let report = try await scratch.import(file, into: store, format: .opendht)
        #expect(report.fault == nil)
        #expect(report.records == odd.count + 1)
        #expect(report.rejected == [.type: 8, .missing: 2, .unroutable: 1])
        #expect(report.rejections.first?.place == .offset(3))
        #expect(try store.allPeers().map(\.id.hex) == [Self.id(1).hex])
    }

    @Test("the node that wrote a state is none of its peers")
    func writer() async throws {
        let store = try await scratch.store(.opendht)
        var file: [UInt8] = [0x83, 0xa1, 0x76, 0x01, 0xa2] + Array("id".utf8) + [0xc4, 20] + Self.id(7)
        file +=
            [0xa5] + Array("nodes".utf8) + [0x92] + Self.node(Self.id(7), Self.v4()) + Self.node(Self.id(8), Self.v4())
        let report = try await scratch.import(file, into: store)
        #expect(report.ownRecords == 1 && report.rejectedCount == 0)
        #expect(try store.allPeers().map(\.id.hex) == [Self.id(8).hex])
    }

    @Test("members in any order, unknown members and early MessagePack's strings are taken; values are passed over")
    func lenient() async throws {
        let store = try await scratch.store(.opendht)
        let node: [UInt8] =
            [0x83, 0xa1, 0x78, 0x92, 0x81, 0xc0, 0xd4, 1, 2, 0xc3, 0xa4] + Array("addr".utf8) + [0xb0] + Self.v4() + [
                0xa2
            ]
            + Array("id".utf8) + [0xb4] + Self.id(9)
        /// Every type there is, nested.
        let values: [UInt8] =
            [0x9b, 0xc0, 0xc2, 0x7f, 0xe0, 0xca, 0, 0, 0, 0, 0xcb] + [UInt8](repeating: 0, count: 8) + [0xcd, 0, 0]
            + [0xd3] + [UInt8](repeating: 0, count: 8) + [0xc7, 2, 5, 1, 2, 0xd9, 1, 0x61]
            + [0xdf, 0, 0, 0, 1, 0xd8] + [UInt8](repeating: 0, count: 17) + [0xdd, 0, 0, 0, 1, 0xc6, 0, 0, 0, 1, 9]
        var file: [UInt8] = [0x84, 0xa6] + Array("values".utf8) + values
        file += [0xa2] + Array("id".utf8) + [0xc4, 20] + [UInt8](repeating: 0, count: 20)
        file += [0xa5] + Array("nodes".utf8) + [0x91] + node + [0xa1, 0x76, 0x01]
        let report = try await scratch.import(file, into: store)
        #expect(report.format == .opendhtState)
        #expect(report.isComplete, "\(report.rejections) \(String(describing: report.fault))")
        #expect(report.localIDs.isEmpty)
        #expect(try store.allPeers().map(\.id.hex) == [Self.id(9).hex])
    }

    @Test(
        "what the lengths claim costs nothing: the reading ends where the bytes do",
        arguments: [
            ([0xdd, 0xff, 0xff, 0xff, 0xff], RejectionReason.messagePack(.cutOff)),
            ([0x91, 0xdf, 0xff, 0xff, 0xff, 0xff], .messagePack(.cutOff)),
            ([0x91, 0x81, 0xc6, 0xff, 0xff, 0xff, 0xff, 1], .messagePack(.cutOff)),
            ([0x91, 0x81, 0xa2, 0x69, 0x64, 0xc6, 0xff, 0xff, 0xff, 0xff, 1], .messagePack(.cutOff)),
            ([0x81, 0xa5] + Array("nodes".utf8) + [0xc0], .wrongType("nodes", expected: "a list")),
            ([0x80], .missing("nodes")), ([0x81, 0xa1, 0x76, 0x01], .missing("nodes")), ([0x90, 0x90], .behindEnd),
            ([0x91, 0xc1], .messagePack(.unassigned(0xc1))), ([], .messagePack(.cutOff)),
            ([0xc0], .wrongType("file", expected: "a list of nodes, or a map that holds one")),
            ([0xdc], .messagePack(.cutOff)),
        ] as [([UInt8], RejectionReason)])
    func lyingLengths(bytes: [UInt8], reason: RejectionReason) async throws {
        let store = try await scratch.store(.opendht)
        let report = try await scratch.import(bytes, into: store, format: .opendht)
        #expect(report.fault?.reason == reason)
        #expect(report.summary.peers.total == 0)
    }

    @Test("nesting of any depth is passed over without a stack")
    func deep() async throws {
        let store = try await scratch.store(.opendht)
        let arrays = [UInt8](repeating: 0x91, count: 2_000_000)
        // A node that is two million lists in each other.
        let report = try await scratch.import(
            [0x92] + arrays + [0xc0] + Self.node(Self.id(1), Self.v4()), into: store, format: .opendht)
        #expect(report.rejected == [.type: 1])
        #expect(report.fault == nil && report.summary.peers.added == 1)
        let open = try await scratch.import(arrays, into: store, format: .opendht)
        #expect(open.fault?.reason == .messagePack(.cutOff))
        let claims = (0..<200_000).flatMap { _ in [0xdd, 0xff, 0xff, 0xff, 0xff] as [UInt8] }
        let many = try await scratch.import([0x91] + claims, into: store, format: .opendht)
        #expect(many.fault?.reason == .messagePack(.cutOff))
    }

    @Test("cut at any byte, a file never traps and says where it ends", arguments: ["opendht-nodes", "opendht-state"])
    func cut(name: String) async throws {
        let store = try await scratch.store(.opendht)
        let whole = read(fixture("\(name).msgpack"))
        for length in 0..<whole.count {
            let report = try await scratch.import(
                Array(whole[..<length]), into: store, format: .opendht, .test { $0.isDryRun = true })
            #expect(report.fault?.reason == .messagePack(.cutOff))
            guard case .offset(let offset)? = report.fault?.place else { throw ExchangeError.cancelled }
            #expect(offset <= length)
        }
    }

    @Test(
        "what goes out comes back, in both families; twice the same bytes",
        arguments: [ExchangeFormat.opendht, .opendhtState])
    func roundTrip(format: ExchangeFormat) async throws {
        let store = try await scratch.store(.opendht)
        var text = "id,address\n"
        for number in 1...40 as ClosedRange<UInt8> {
            text += "\(Self.id(number).hex),/ip4/10.0.0.\(number)/udp/4222\n"
            if number.isMultiple(of: 3) { text += "\(Self.id(number).hex),/ip6/2001:db8::\(number)/udp/4222\n" }
            if number.isMultiple(of: 5) { text += "\(Self.id(number + 40).hex),/ip4/10.0.0.\(number)/tcp/4222\n" }
        }
        #expect(try await scratch.import(text, into: store).isComplete)
        _ = try await store.identity(try #require(PeerID(Self.id(99))))
        var options = ExportOptions()
        options.format = format
        let path = scratch.path("out")
        #expect(try await store.exportPeers(to: path, options).leftOut == 8)
        let file = read(path)
        #expect(try await scratch.export(store, format) == file)
        let copy = try await scratch.store(.opendht)
        let report = try await scratch.import(file, into: copy)
        #expect(report.format == format)
        #expect(report.isComplete)
        #expect(report.localIDs.map(\.hex) == (format == .opendhtState ? [Self.id(99).hex] : []))
        #expect(report.records == 40 + 13)
        for peer in try copy.allPeers() {
            let original = try #require(try store.record(of: peer.key))
            #expect(Set(peer.addresses.map(\.address)) == Set(original.addresses.map(\.address)))
        }
        #expect(try copy.allPeers().count == 40)
    }

    @Test("an empty table is a file that is recognised", arguments: [ExchangeFormat.opendht, .opendhtState])
    func empty(format: ExchangeFormat) async throws {
        let store = try await scratch.store(.opendht)
        let report = try await scratch.import(try await scratch.export(store, format), into: store)
        #expect(report.format == format)
        #expect(report.isComplete && report.records == 0)
    }
}
