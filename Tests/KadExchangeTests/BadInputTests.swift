import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("Bad input")
struct BadInputTests {
    let scratch = Scratch()

    @Test(
        "recognition goes by content",
        arguments: [
            ("nebula-visits.ndjson", ExchangeFormat.nebula), ("kubo-bootstrap.txt", .multiaddrs),
            ("ipfs-cluster.peerstore", .multiaddrs), ("libtorrent-session-params.dat", .libtorrent),
            ("transmission-dht.dat", .transmission), ("opendht-nodes.msgpack", .opendht),
            ("opendht-state.msgpack", .opendhtState),
        ])
    func recognition(name: String, format: ExchangeFormat) throws {
        let bytes = read(fixture(name))
        #expect(try ImportSource.open(try scratch.write(bytes, "no-extension")).format == format)
        guard format.isText else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        let dressed = "\u{feff}\n\r\n  \n" + text.replacing("\n", with: "\r\n")
        #expect(try ImportSource.open(try scratch.write(dressed)).format == format)
    }

    @Test(
        "what is not read is named, with what to do",
        arguments: [
            ("", "empty"), ("   \n\n", "empty"), ("hello world\n", "Tried: kadstore, csv"),
            ("SQLite format 3\0xxxx", "SQLite"), ("\u{1f}\u{8b}", nil),
            ("{\"Peers\":[{\"ID\":\"x\",\"Addrs\":[]}]}", "Tried"),
            ("d2:id20:aaaaaaaaaaaaaaaaaaaa6:valuesle5:nodes0:e", "Transmission"),
            ("d8:announce3:abce", "torrent"), ("/ip4/10.0.0.1/tcp/1 12ms outbound\n", "Tried"),
            ("{\"kadstore\":\"peers\"}\n", "first line"), ("[1,2]", "Tried"), ("d3:abci1ee", "dht state"),
            ("d4:infod6:lengthi1eee", "torrent"),
            ("de", "Tried"), ("d2:id", "Transmission"),
        ] as [(String, String?)])
    func clues(text: String, words: String?) throws {
        let path = try scratch.write(text)
        let error = #expect(throws: ExchangeError.self) { try ImportSource.open(path) }
        if let words { #expect(error?.description.contains(words) == true, "\(String(describing: error))") }
    }

    @Test("compressed and UTF-16 files are named")
    func binaryClues() throws {
        for (bytes, words) in [
            ([0x1f, 0x8b, 8, 0], "gunzip"), ([0xff, 0xfe, 0x41, 0], "UTF-16"), ([0x93, 0x81], "MessagePack"),
        ] as [([UInt8], String)] {
            let path = try scratch.write(bytes)
            let error = #expect(throws: ExchangeError.self) { try ImportSource.open(path) }
            #expect(error?.description.contains(words) == true)
        }
    }

    @Test("a missing file and a folder are the system's errors")
    func missing() throws {
        #expect(throws: ExchangeError.system(operation: "open", name: scratch.path("no"), code: ENOENT)) {
            try ImportSource.open(scratch.path("no"))
        }
        #expect(throws: ExchangeError.system(operation: "read", name: scratch.folder, code: EISDIR)) {
            try ImportSource.open(scratch.folder)
        }
    }

    @Test("lines that are no addresses are rejected one by one")
    func addressLines() async throws {
        let store = try await scratch.store()
        let one = PeerID.test(1).text
        let text = """
            # a comment
            /ip4/10.0.0.1/tcp/4001/p2p/\(one)
            garbage \u{1b}[31m
            /ip4/10.0.0.999/tcp/1/p2p/\(one)
            /ip4/10.0.0.2/udp/4001/quic-v1
            /ip4/10.0.0.3/tcp/4001/ipfs/\(one)
            /p2p/\(PeerID.test(2).text)
            /ip4/10.0.0.4/tcp/1/p2p/\(one)/p2p-circuit
            /ip4/10.0.0.4/tcp/1/p2p/\(one)/p2p-circuit/p2p/\(PeerID.test(3).text)
            /ip4/10.0.0.5/tcp/0/p2p/\(PeerID.test(4).text)
            /dnsaddr/bootstrap.example
            """
        let report = try await scratch.import(text, into: store)
        #expect(report.rejections.map(\.place) == [3, 4, 8, 10].map { Place.line($0) })
        #expect(report.rejected == [.address: 2, .mismatch: 1, .unroutable: 1])
        #expect(report.rejections.first?.excerpt == "garbage \\u{1b}[31m")
        #expect(report.summary.peers.added == 3)
        #expect(report.summary.candidates.added == 2)
        #expect(try store.record(of: try store.peer(.test(1)).key)?.addresses.count == 2)
    }

    @Test("Kubo's array and configuration are read, and nothing else of the configuration")
    func kubo() async throws {
        let address = "/ip4/10.0.0.1/tcp/4001/p2p/\(PeerID.test(1).text)"
        for text in [
            "[\n \"\(address)\"\n]", "[]", "[\"\(address)\", 7, \"/bad\"]",
            "{\"API\":{},\"Addresses\":{},\"Bootstrap\":[\"\(address)\"],\"Identity\":{\"PrivKey\":\"secret\"}}",
            "{\n\"Bootstrap\": null}",
        ] {
            let store = try await scratch.store()
            let source = try ImportSource.open(try scratch.write(text))
            #expect(source.format == .kubo)
            let report = try await store.importPeers(from: source, .test)
            #expect(report.fault == nil)
            #expect(report.summary.peers.added == (text.contains(address) ? 1 : 0))
            #expect(report.rejectedCount == (text.contains("/bad") ? 2 : 0))
        }
        let store = try await scratch.store()
        let report = try await scratch.import("[\n\"\(address)\",\n\"/ip4", into: store)
        #expect(report.summary.peers.added == 1)
        #expect(report.fault?.place == .line(3))
        let listed = try await scratch.import("\n[ \"\(address)\",\n\n7, \"/bad\",\n\n false\n]", into: store)
        #expect(listed.rejections.map(\.place) == [.line(4), .line(4), .line(6)])
    }

    @Test("a line over the limit is rejected with its number, and costs its limit")
    func oversized() async throws {
        let store = try await scratch.store()
        let good = "/ip4/10.0.0.1/tcp/4001/p2p/"
        let long = String(repeating: "x", count: 3 << 20)
        let text = "\(good)\(PeerID.test(1).text)\n\(long)\n\(good)\(PeerID.test(2).text)\n/\(long)"
        let report = try await scratch.import(text, into: store)
        #expect(report.summary.peers.added == 2)
        #expect(
            report.rejections
                == [2, 4].map {
                    Rejection(place: .line($0), reason: .tooLong(limit: LineReader.limit))
                })
        let quoted = try await scratch.import(
            "id,agent\n\(PeerID.test(3).text),\"\(long)\n\(PeerID.test(4).text),x\n", into: store)
        #expect(quoted.summary.peers.added == 1)
        #expect(quoted.rejections.map(\.place) == [.line(2)])
    }

    @Test("a line without end can be interrupted", arguments: [ExchangeFormat.csv, .multiaddrs, .native, .nebula])
    func endless(format: ExchangeFormat) async throws {
        let store = try await scratch.store()
        let reading = Task {
            let source = try ImportSource.open("/dev/zero", format: format)
            return try await store.importPeers(from: source, ImportOptions(now: .systemClock()))
        }
        try await Task.sleep(for: .milliseconds(50))
        reading.cancel()
        await #expect(throws: ExchangeError.self) { try await reading.value }
    }

    @Test("what is not UTF-8 is rejected by line")
    func encoding() async throws {
        let store = try await scratch.store()
        let good = Array("/ip4/10.0.0.1/tcp/4001/p2p/\(PeerID.test(1).text)\n".utf8)
        let report = try await scratch.import(good + [0x2f, 0xff, 0x0a] + good + [0x2f, 0x00, 0x0a], into: store)
        #expect(report.rejections.map(\.reason).first == .notUTF8)
        #expect(report.rejected == [.encoding: 1, .address: 1])
        let csv = Array("id,agent\n\(PeerID.test(1).text),".utf8) + [0xc3, 0x28, 0x0a]
        #expect(try await scratch.import(csv, into: store).rejected == [.encoding: 1])
        let nebula =
            Array("{\"PeerID\":\"\(PeerID.test(1).text)\",\"Maddrs\":[]}\n{\"PeerID\":\"".utf8) + [0xff]
            + Array("\"}\n".utf8)
        #expect(try await scratch.import(nebula, into: store).rejected == [.encoding: 1])
    }

    @Test("nebula records that are wrong or contradictory are rejected, foreign names only noted")
    func nebula() async throws {
        let store = try await scratch.store()
        func line(_ number: UInt64, _ more: String) -> String { "{\"PeerID\":\"\(PeerID.test(number).text)\",\(more)}" }
        let good = "\"Maddrs\":[\"/ip4/10.0.0.1/tcp/1\"],\"VisitStartedAt\":\"2026-11-20T10:00:00Z\""
        let lines = [
            line(1, "\(good),\"ConnectErrorStr\":\"made \\u001b up\",\"VisitEndedAt\":\"2026-11-20T10:00:01Z\""),
            line(2, "\(good),\"VisitEndedAt\":\"2026-11-20T09:00:00Z\""), line(3, "\"Maddrs\":7"),
            "{\"Maddrs\":[]}", line(4, "\"Maddrs\":" + String(repeating: "[", count: 500_000)),
            line(5, "\"Properties\":" + String(repeating: "[", count: 500_000)), line(6, good), "[]",
            line(7, good) + "x",
            line(8, "\"Maddrs\":[\"/ip4/10.0.0.1/tcp/1\",\"/future/1\"],\"VisitStartedAt\":\"2027-11-20T10:00:00Z\""),
            line(9, "\"Maddrs\":[\"/ip4/10.0.0.1/tcp/1/p2p/\(PeerID.test(1).text)\"]"),
        ]
        let report = try await scratch.import(lines.joined(separator: "\n"), into: store, format: .nebula)
        #expect(report.rejections.map(\.place) == [2, 3, 4, 5, 6, 8, 9, 11].map { Place.line($0) })
        #expect(
            report.rejected == [.contradiction: 1, .type: 1, .missing: 1, .syntax: 4, .mismatch: 1])
        #expect(report.notes == [.unknownFailure("made \\u{1b} up"): 1, .unreadableAddress: 1])
        #expect(report.impossibleStamps == 3)
        #expect(report.summary.peers.added == 3)
        #expect(try store.record(of: try store.peer(.test(8)).key)?.firstSeen == .test)
    }

    @Test("our own identities are no foreign peers")
    func own() async throws {
        let store = try await scratch.store()
        _ = try await store.identity(.test(1))
        let text = (1...2).map { "/ip4/10.0.0.\($0)/tcp/1/p2p/\(PeerID.test(UInt64($0)).text)\n" }.joined()
        let report = try await scratch.import(text, into: store)
        #expect(report.ownRecords == 1)
        #expect(report.summary.peers.added == 1)
    }

    @Test("libtorrent's odd entries: wrong lengths, port zero, old ids, joined lists, foreign types")
    func libtorrent() async throws {
        let store = try await scratch.store(.mainline)
        let node = "\u{a}\0\0\u{1}\u{1a}\u{61}"
        let text =
            "d9:dht stated7:node-idl20:aaaaaaaaaaaaaaaaaaaa2:xxe5:nodesl6:\(node)5:abcdei7el6:\(node)e6:\u{a}\0\0\u{2}\0\0e6:nodes6l6:\u{a}\0\0\u{3}\0\u{1}ee3:fooi1ee"
        let report = try await scratch.import(text, into: store)
        #expect(report.localIDs.count == 1)
        #expect(report.rejected == [.address: 1, .unroutable: 1])
        #expect(
            try store.allCandidates().map(\.address.description) == ["/ip4/10.0.0.1/udp/6753", "/ip4/10.0.0.3/udp/1"])
        let joined = try await scratch.import(
            "d9:dht stated5:nodes12:\(node)\u{a}\0\0\u{4}\0\u{1}6:nodes67:abcdefgee", into: store)
        #expect(joined.summary.candidates.added == 1 && joined.summary.candidates.unchanged == 1)
        #expect(joined.rejected == [.address: 1])
        let older = try await scratch.import("d9:dht stated7:node-id20:aaaaaaaaaaaaaaaaaaaaee", into: store)
        #expect(older.localIDs == report.localIDs)
    }

    @Test(
        "a file cut at any byte never traps, keeps what is good and says where it ends",
        arguments: [
            ("nebula-visits.ndjson", Network.libp2p, 97), ("libtorrent-dualstack.dat", .mainline, 1),
            ("ipfs-cluster.peerstore", .libp2p, 13),
        ])
    func cut(name: String, network: Network, step: Int) async throws {
        let whole = read(fixture(name))
        let store = try await scratch.store(network)
        let format = try ImportSource.open(fixture(name)).format
        for length in stride(from: 0, to: whole.count, by: step) {
            let report = try await scratch.import(
                Array(whole[..<length]), into: store, format: format, .test { $0.isDryRun = true })
            let taken = report.summary.peers.total + report.summary.candidates.total
            #expect(taken <= 24)
            if format == .libtorrent {
                let fault = try #require(report.fault)
                guard case .offset(let offset) = fault.place else { throw ExchangeError.cancelled }
                #expect(offset <= length)
            }
        }
    }

    @Test("mutated files never trap, and leave the store whole", arguments: Seeds.first(6))
    func fuzz(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let full = try await scratch.store()
        try await FullStore.fill(full, seed: seed, peers: 6)
        var inputs: [([UInt8], Network, ExchangeFormat)] = []
        for (name, network) in [
            ("nebula-visits.ndjson", Network.libp2p), ("kubo-bootstrap.txt", .libp2p),
            ("libtorrent-dualstack.dat", .mainline), ("transmission-dht.dat", .mainline),
            ("opendht-nodes.msgpack", .opendht), ("opendht-state.msgpack", .opendht),
        ] {
            inputs.append((read(fixture(name)), network, try ImportSource.open(fixture(name)).format))
        }
        inputs.append((try await scratch.export(full, .csv), .libp2p, .csv))
        inputs.append((try await scratch.export(full), .libp2p, .native))
        inputs.append(
            (
                Array("{\"Bootstrap\":[\"/ip4/1.2.3.4/tcp/1\",\"/dns4/a/tcp/2\"],\"X\":{\"a\":[1,2.5e3,null]}}".utf8),
                .libp2p, .kubo
            ))
        for (bytes, network, format) in inputs {
            let store = try await scratch.store(network)
            for _ in 0..<25 {
                let path = try scratch.write(Self.mutated(bytes, &generator))
                for rejection in await attempt(path, format, store) {
                    let shown = "\(rejection.reason)\(rejection.excerpt ?? "")"
                    #expect(shown.unicodeScalars.allSatisfy(Printable.isHarmless))
                }
                _ = try? ImportSource.open(path)
            }
            let bytes = try await scratch.export(store)
            let copy = try await scratch.store(network)
            _ = try await copy.restorePeers(from: ImportSource.open(try scratch.write(bytes)))
            #expect(try await scratch.export(copy) == bytes, "seed \(seed), \(format)")
        }
    }

    /// Imports what may be damaged; a damaged header refuses the whole file.
    private func attempt(_ path: String, _ format: ExchangeFormat, _ store: Store) async -> [Rejection] {
        guard let source = try? ImportSource.open(path, format: format) else { return [] }
        let report = try? await store.importPeers(from: source, .test { $0.trustsHistory = true })
        return report?.rejections ?? []
    }

    static func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var mutated = bytes
        for _ in 0..<Int.random(in: 1..<6, using: &generator) {
            let place = Int.random(in: 0..<mutated.count, using: &generator)
            let end = min(mutated.count, place + Int.random(in: 1..<40, using: &generator))
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: mutated[place] = UInt8.random(in: 0...255, using: &generator)
            case 1: mutated[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: mutated.removeSubrange(place..<end)
            case 3: mutated.insert(contentsOf: Array(mutated[place..<end]), at: place)
            default:
                let marks = Array("\"[]{},:\\\n/ed0l".utf8)
                mutated.insert(marks[Int.random(in: 0..<marks.count, using: &generator)], at: place)
            }
            if mutated.isEmpty { mutated = [0] }
        }
        return mutated
    }
}
