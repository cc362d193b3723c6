import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("Lists of endpoints: libtorrent's state and Transmission's dht.dat")
struct EndpointFormatTests {
    let scratch = Scratch()

    private static let formats = [ExchangeFormat.libtorrent, .transmission]

    /// Peers whose last answers are `answered` seconds after the tests' beginning of time; nil for none.
    private func fill(_ store: Store, _ peers: [(number: UInt8, address: String, answered: Int64?)]) async throws {
        var text = "id,address,first_seen_ms,last_seen_ms,last_ok_ms,address_last_ok_ms\n"
        for peer in peers {
            let answered = peer.answered.map { "\(Instant.seconds($0).milliseconds)" } ?? ""
            text += "\(Self.id(peer.number).hex),\(peer.address),\(Instant.seconds(0).milliseconds),"
            text += "\(Instant.seconds(peer.answered ?? 5).milliseconds),\(answered),\(answered)\n"
        }
        let report = try await scratch.import(text, into: store, .test { $0.trustsHistory = true })
        #expect(report.isComplete, "\(report.rejections)")
    }

    private static func id(_ number: UInt8) -> PeerID { PeerID([UInt8](repeating: number, count: 20))! }

    private static func compact(_ last: UInt8, port: UInt16 = 6881) -> [UInt8] {
        [10, 0, 0, last, UInt8(port >> 8), UInt8(port & 255)]
    }

    @Test("a dht.dat that Transmission 3.00 wrote brings its nodes and its own id")
    func transmission3() async throws {
        let store = try await scratch.store(.mainline)
        let source = try ImportSource.open(fixture("transmission-dht.dat"))
        #expect(source.format == .transmission)
        #expect(source.network == .mainline)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.isComplete)
        #expect(report.localIDs.map { Array($0.bytes.prefix(4)) } == [[0x6d, 0x25, 0xcf, 0x73]])
        #expect(report.summary.candidates.added == 48)
        #expect(report.summary.peers.total == 0)
        let candidates = try store.allCandidates().map(\.address.description)
        #expect(Set(candidates) == Set((0..<48).map { "/ip4/198.18.2.\($0 + 1)/udp/\(21_000 + $0)" }))
    }

    @Test("the layout of Transmission 4.x has a time of the id, and IPv6")
    func transmission4() async throws {
        let store = try await scratch.store(.mainline)
        var file = Array("d2:id20:abcdefghijklmnopqrst12:id_timestampi1795168800e5:nodes12:".utf8)
        file += Self.compact(1) + Self.compact(2) + Array("6:nodes636:".utf8)
        for last in [1, 2] as [UInt8] {
            file += [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [last, 0, 99]
        }
        file += Array("e".utf8)
        let report = try await scratch.import(file, into: store)
        #expect(report.format == .transmission)
        #expect(report.isComplete)
        #expect(report.localIDs == [PeerID(Array("abcdefghijklmnopqrst".utf8))])
        #expect(
            try store.allCandidates().map(\.address.description) == [
                "/ip4/10.0.0.1/udp/6881", "/ip4/10.0.0.2/udp/6881", "/ip6/2001:db8::1/udp/99",
                "/ip6/2001:db8::2/udp/99",
            ])
    }

    @Test(
        "odd dht.dat files: wrong sizes, port zero, foreign types, nothing in them",
        arguments: [
            ("d2:id3:abc5:nodes7:abcdefge", [RejectionReason.Kind.address: 1], nil),
            ("d5:nodes6:\u{a}\0\0\u{1}\0\0e", [.unroutable: 1], nil), ("d5:nodesi7ee", [:], nil),
            ("d5:nodes0:e", [:], nil), ("d2:idd5:nodes6:abcdefe5:nodes0:e", [:], nil),
            ("d5:nodes6:abcde", [:], RejectionReason.bencode(.lengthOverEnd(6))),
            ("d5:nodes99999999999999999999:", [:], .bencode(.badLength)), ("d2:id0:e", [:], .missing("nodes")),
            ("d5:nodes0:ex", [:], .behindEnd), ("i1e", [:], .missing("nodes")),
        ] as [(String, [RejectionReason.Kind: Int], RejectionReason?)])
    func oddities(text: String, rejected: [RejectionReason.Kind: Int], fault: RejectionReason?) async throws {
        let store = try await scratch.store(.mainline)
        let report = try await scratch.import(text, into: store, format: .transmission)
        #expect(report.rejected == rejected)
        #expect(report.fault?.reason == fault)
        #expect(report.summary.candidates.total == 0)
    }

    @Test("the best nodes come first: answered lately, then unknown, then failing; what has no endpoint is left out")
    func order() async throws {
        let store = try await scratch.store(.mainline)
        try await fill(
            store,
            [
                (1, "/ip4/10.0.0.1/udp/6753", 10), (2, "/ip4/10.0.0.2/udp/6753", nil),
                (3, "/ip4/10.0.0.3/udp/6753", 30), (4, "/ip4/10.0.0.4/tcp/6881", 40), (5, "", 50),
                (6, "/ip6/2001:db8::6/udp/6753", 60), (7, "/dns4/example.org/udp/6753", 70),
                (8, "/ip4/10.0.0.8/udp/6753/quic-v1", 80), (9, "/ip4/10.0.0.9/udp/6753", 90),
            ])
        _ = try await scratch.import("d5:nodes12:\u{a}\0\0\u{1}\u{1a}\u{61}\u{a}\0\0\u{b}\u{1a}\u{61}e", into: store)
        let failing = try store.peer(Self.id(9))
        try store.record(
            .failed(failing, address: try Multiaddr("/ip4/10.0.0.9/udp/6753"), .timeout, at: .seconds(100)))
        try await store.flush()

        var options = ExportOptions()
        options.format = .transmission
        let path = scratch.path("dht.dat")
        let report = try await store.exportPeers(to: path, options)
        #expect(report.leftOut == 4)
        let file = read(path)
        // The candidates are as new as the import: newer than the peer that nobody has asked.
        let wanted = [3, 1, 11, 2, 9].flatMap { Self.compact($0, port: 6753) }
        #expect(Array(file.prefix(wanted.count + 12)) == Array("d5:nodes30:".utf8) + wanted + Array("6".utf8))
        #expect(String(decoding: file, as: UTF8.self).contains("6:nodes618:"))
    }

    @Test("no more nodes are written than the program reads, and the rest is counted", arguments: formats)
    func limits(format: ExchangeFormat) async throws {
        let limit = format == .libtorrent ? 100 : 300
        let store = try await scratch.store(.mainline)
        var text = "id,address,first_seen_ms,last_ok_ms\n"
        var generator = SeededGenerator(seed: 5)
        let order = Array(0..<1_000).shuffled(using: &generator)
        for (index, age) in order.enumerated() {
            let id = (0..<20).map { _ in UInt8.random(in: 0...255, using: &generator) }.hex
            let answered = Instant.seconds(Int64(10_000 - age)).milliseconds
            text +=
                "\(id),/ip4/10.1.\(index / 250).\(index % 250 + 1)/udp/6881,\(Instant.seconds(0).milliseconds),\(answered)\n"
        }
        _ = try await scratch.import(text, into: store, .test { $0.trustsHistory = true })
        var options = ExportOptions()
        options.format = format
        let path = scratch.path("out")
        let report = try await store.exportPeers(to: path, options)
        #expect(report.leftOut == 1_000 - limit)
        let copy = try await scratch.store(.mainline)
        _ = try await copy.importPeers(from: ImportSource.open(path), .test)
        let best = order.indices.filter { order[$0] < limit }
        #expect(
            Set(try copy.allCandidates().map(\.address.description))
                == Set(best.map { "/ip4/10.1.\($0 / 250).\($0 % 250 + 1)/udp/6881" }))
    }

    @Test("the best of a stream are those of the sorted whole", arguments: Seeds.first(20))
    func bestNodes(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let limit = Int.random(in: 1...20, using: &generator)
        var best = BestNodes(limit: limit, withIDs: false)
        var all: [(tried: Bool, seen: Int64, endpoint: UDPEndpoint)] = []
        for _ in 0..<Int.random(in: 0...200, using: &generator) {
            let endpoint = UDPEndpoint(
                ip: .v4(UInt32.random(in: 0..<64, using: &generator)), port: UInt16.random(in: 1...2, using: &generator)
            )
            // Times that hardly ever are equal: among equals a hash decides.
            let seen = Int64.random(in: 0..<1 << 40, using: &generator)
            let tried = Bool.random(using: &generator)
            all.append((tried, seen, endpoint))
            let at = Instant(milliseconds: seen)
            best.add(
                Candidate(address: endpoint.multiaddr, firstSeen: at, lastSeen: at, tries: tried ? 1 : 0, source: nil))
        }
        all.sort { ($0.tried ? 1 : 0, -$0.seen) < ($1.tried ? 1 : 0, -$1.seen) }
        var wanted: [UDPEndpoint] = []
        for entry in all where !wanted.contains(entry.endpoint) { wanted.append(entry.endpoint) }
        #expect(best.sorted().flatMap(\.endpoints) == Array(wanted.prefix(limit)), "seed \(seed)")
        if wanted.count < limit { #expect(best.leftOut == 0) }
    }

    @Test(
        "what goes out comes back, whatever the family; twice the same bytes, and no change by it", arguments: formats)
    func roundTrip(format: ExchangeFormat) async throws {
        let store = try await scratch.store(.mainline)
        _ = try await store.importPeers(from: ImportSource.open(fixture("libtorrent-dualstack.dat")), .test)
        let file = try await scratch.export(store, format)
        #expect(try await scratch.export(store, format) == file)
        let copy = try await scratch.store(.mainline)
        let report = try await scratch.import(file, into: copy)
        #expect(report.format == format)
        #expect(report.isComplete)
        #expect(report.localIDs.isEmpty)
        #expect(try copy.allCandidates().map(\.address) == store.allCandidates().map(\.address))
        let again = try await scratch.import(file, into: copy)
        #expect(again.summary.candidates.unchanged == 22)
    }

    @Test("an empty table is a file that is recognised", arguments: formats)
    func empty(format: ExchangeFormat) async throws {
        let store = try await scratch.store(.mainline)
        let file = try await scratch.export(store, format)
        let report = try await scratch.import(file, into: store)
        #expect(report.format == format)
        #expect(report.isComplete && report.records == 0)
    }

    @Test("the own id is the store's identity where there is one, and left out where there are none or several")
    func identity() async throws {
        let store = try await scratch.store(.mainline)
        _ = try await store.identity(Self.id(0x41))
        for format in Self.formats {
            let report = try await scratch.import(try await scratch.export(store, format), into: store)
            #expect(report.localIDs == [Self.id(0x41)])
        }
        let file = String(decoding: try await scratch.export(store, .transmission), as: UTF8.self)
        let made = try #require(try store.identities().first).createdAt.milliseconds / 1_000
        #expect(file == "d2:id20:AAAAAAAAAAAAAAAAAAAA12:id_timestampi\(made)e5:nodes0:e")
        let some = try await scratch.export(store, .transmission, filter: .everAnswered)
        #expect(some == Array("d5:nodes0:e".utf8))
        _ = try await store.identity(Self.id(0x42))
        #expect(try await scratch.export(store, .transmission) == Array("d5:nodes0:e".utf8))
    }

    @Test("they carry mainline alone", arguments: formats)
    func networks(format: ExchangeFormat) async throws {
        let store = try await scratch.store(.opendht)
        await #expect(throws: ExchangeError.networkNotCarried(format: format, network: "opendht")) {
            try await scratch.export(store, format)
        }
    }

    @Test("cut at any byte, a file never traps, keeps what is good and says where it ends")
    func cut() async throws {
        let store = try await scratch.store(.mainline)
        let whole = read(fixture("transmission-dht.dat"))
        for length in 0..<whole.count {
            let report = try await scratch.import(
                Array(whole[..<length]), into: store, format: .transmission, .test { $0.isDryRun = true })
            let fault = try #require(report.fault)
            guard case .offset(let offset) = fault.place else { throw ExchangeError.cancelled }
            #expect(offset <= length)
            #expect(report.summary.candidates.total == (length == whole.count - 1 ? 48 : 0))
        }
    }
}

extension Sequence<UInt8> {
    /// Lowercase hexadecimal.
    var hex: String {
        map { byte in String(repeating: "0", count: byte < 16 ? 1 : 0) + String(byte, radix: 16) }.joined()
    }
}

extension PeerID {
    var hex: String { bytes.hex }
}
