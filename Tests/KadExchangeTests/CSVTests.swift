import Kademlia
import Multiformats
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("CSV")
struct CSVTests {
    let scratch = Scratch()
    let id = PeerID.test(1).text
    let other = PeerID.test(2).text

    @Test("a header that cannot be used is the last item of a file, whatever follows")
    func unusableHeader() throws {
        let path = try scratch.write("address,agent\nid,address\n\(id),/ip4/10.0.0.1/tcp/4001\n")
        let reader = CSVReader(try ByteInput.open(path: path), network: .libp2p)
        guard case .fault(let fault)? = try reader.next() else {
            Issue.record("no fault")
            return
        }
        #expect(fault.reason.kind == RejectionReason.missing("id").kind)
        #expect(try reader.next() == nil)
    }

    @Test("columns come in any order and case, unknown ones are ignored, quotes are RFC 4180's")
    func columns() async throws {
        let store = try await scratch.store()
        let text = """
            \u{feff}
            Colour, Agent ,LAST_SEEN_MS,"ID",address,first_seen_ms\r
            red,"kubo, ""fork""\r
            of 2026",1780000005000,\(id),/ip4/10.0.0.1/tcp/4001,1780000000000\r
            \r
            blue,ignored,,\(id),/ip4/10.0.0.2/tcp/4001,\r
            ,=cmd|x,1780000005000,\(other),,
            """
        let source = try ImportSource.open(try scratch.write(text))
        #expect(source.format == .csv)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.rejections.isEmpty)
        #expect(report.summary.peers.added == 2)
        let record = try #require(try store.record(of: try store.peer(.test(1)).key))
        #expect(record.agent == "kubo, \"fork\"\r\nof 2026")
        #expect(record.firstSeen == .seconds(0) && record.lastSeen == .seconds(5))
        #expect(
            record.addresses.map(\.address.description).sorted() == [
                "/ip4/10.0.0.1/tcp/4001", "/ip4/10.0.0.2/tcp/4001",
            ])
        #expect(try store.record(of: try store.peer(.test(2)).key)?.agent == "=cmd|x")
    }

    @Test("bad rows are rejected by line, the others are taken")
    func rejections() async throws {
        let store = try await scratch.store()
        let rows = [
            "id,address,first_seen_ms,last_seen_ms,key,network",  // 1
            "\(id),/ip4/10.0.0.1/tcp/1,,,,",  // 2
            "Qmnonsense,/ip4/10.0.0.1/tcp/1,,,,",  // 3
            "\(other),/nonsense/1,,,,",  // 4
            "\(id),/ip4/10.0.0.2/tcp/1,,x,,",  // 5: another record of the same peer
            "\(other),/ip4/10.0.0.2/tcp/1,1.5,,,",  // 6
            ",/ip4/10.0.0.2/tcp/1,,,,",  // 7
            "\(other),/ip4/10.0.0.2/tcp/1,1780000005000,1780000000000,,",  // 8
            "\(other),/ip4/10.0.0.2/tcp/1,,,00,",  // 9
            "\(other),/ip4/10.0.0.2/tcp/1,,,,mainline",  // 10
            "\(other),\"/ip4/10.0.0.2/tcp/1,,,,",  // 11: a quote without an end
            "\(other),/ip4/10.0.0.3/tcp/1/p2p/\(id),,,,",  // 12
            "\(PeerID.test(4).text),/ip4/0.0.0.0/tcp/1,,,,",  // 13
            "\(PeerID.test(3).text),/ip4/10.0.0.9/tcp/1/p2p/\(PeerID.test(3).text),,,,libp2p",  // 14
        ]
        let report = try await scratch.import(rows.joined(separator: "\n"), into: store, .test)
        #expect(
            report.rejections.map(\.place).sorted { "\($0)" < "\($1)" }
                == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map { Place.line($0) }.sorted { "\($0)" < "\($1)" })
        #expect(
            report.rejected == [
                .peerID: 1, .address: 1, .type: 2, .missing: 1, .contradiction: 1, .hash: 1, .network: 1, .syntax: 1,
                .mismatch: 1, .unroutable: 1,
            ])
        #expect(try store.allPeers().count == 2)
        #expect(try store.record(of: try store.peer(.test(1)).key)?.addresses.count == 1)
        #expect(
            try store.record(of: try store.peer(.test(3)).key)?.addresses.map(\.address.description) == [
                "/ip4/10.0.0.9/tcp/1"
            ])
    }

    @Test("what goes out comes back, fields with commas, quotes, line ends and formulas too")
    func roundTrip() async throws {
        for network in [Network.libp2p, .mainline] {
            let store = try await scratch.store(network)
            try await FullStore.fill(store, seed: 11, peers: 50)
            let bytes = try await scratch.export(store, .csv)
            let copy = try await scratch.store(network)
            let source = try ImportSource.open(try scratch.write(bytes))
            #expect(source.network == network)
            let options = ImportOptions.test {
                $0.allowsUnroutable = true
                $0.trustsHistory = true
            }
            let report = try await copy.importPeers(from: source, options)
            // The one id that is no libp2p id has no text that reads back.
            #expect(report.rejectedCount <= (network == .libp2p ? 4 : 0))
            for record in try copy.allPeers() {
                let original = try #require(try store.record(of: record.key))
                #expect(Set(record.addresses.map(\.address)) == Set(original.addresses.map(\.address)))
                #expect((record.agent ?? "") == (original.agent ?? ""))
                #expect(record.protocols == original.protocols.filter { !$0.isEmpty })
                #expect(record.lastOK == original.lastOK)
                #expect(record.successes == original.successes)
                #expect(record.rtt?.smoothed == original.rtt?.smoothed)
                #expect(record.firstSeen == original.firstSeen && record.lastSeen == original.lastSeen)
            }
            #expect(try copy.allPeers().count >= 49)
        }
    }

    @Test("a cell that a spreadsheet takes for a formula is quoted")
    func formulas() async throws {
        let store = try await scratch.store()
        try store.record(.identified(try store.peer(.test(1)), agent: "=1+1", protocols: ["/a b%20"], at: .seconds(0)))
        let text = try await scratch.exportText(store, .csv)
        #expect(text.contains(",\"=1+1\",/a%20b%2520,"))
        #expect(text.hasPrefix("id,address,first_seen_ms,last_seen_ms,last_ok_ms,successes,failures,rtt_us,"))
    }

    @Test("whoever answered was seen, whether the answer is believed or not")
    func answeredIsSeen() async throws {
        let store = try await scratch.store()
        let text = "id,address,last_seen_ms,last_ok_ms\n\(id),/ip4/10.0.0.1/tcp/1,1780000000000,1790000000000\n"
        _ = try await scratch.import(text, into: store)
        let record = try #require(try store.allPeers().first)
        #expect(record.lastSeen == Instant(milliseconds: 1_790_000_000_000) && record.lastOK == nil)
    }

    @Test("rows of one peer are merged whether they follow each other or not", arguments: [false, true])
    func rowsOfOnePeer(apart: Bool) async throws {
        let store = try await scratch.store()
        let other = apart ? "\(PeerID.test(2).text),/ip4/10.0.0.9/tcp/1,,,,\n" : ""
        let text = """
            id,address,first_seen_ms,last_seen_ms,last_ok_ms,agent
            \(PeerID.test(1).text),/ip4/10.0.0.1/tcp/1,1790000000000,1790000000000,,
            \(other)\(PeerID.test(1).text),/ip4/10.0.0.2/tcp/1,1780000000000,1795000000000,1794000000000,kubo
            """
        let report = try await scratch.import(text, into: store, .test { $0.trustsHistory = true })
        #expect(report.isComplete)
        let record = try #require(try store.record(of: try store.peer(.test(1)).key))
        #expect(record.addresses.count == 2)
        #expect(record.firstSeen == Instant(milliseconds: 1_780_000_000_000))
        #expect(record.lastSeen == Instant(milliseconds: 1_795_000_000_000))
        #expect(record.lastOK == Instant(milliseconds: 1_794_000_000_000))
        #expect(record.agent == "kubo")
    }

    @Test("rows of one peer without end are cut into records of bounded size")
    func oneHugePeer() async throws {
        let store = try await scratch.store()
        var text = "id,address\n"
        for index in 0..<500 { text += "\(id),/ip4/10.0.\(index / 250).\(index % 250)/tcp/1\n" }
        let report = try await scratch.import(text, into: store)
        #expect(report.isComplete)
        #expect(try store.allPeers().map(\.addresses.count) == [AddressRecord.maximumPerPeer])
    }

    @Test("a first line without id is no CSV; forced, it is a fault")
    func noID() async throws {
        let path = try scratch.write("name,address\na,b\n")
        #expect(throws: ExchangeError.self) { try ImportSource.open(path) }
        let store = try await scratch.store()
        let report = try await store.importPeers(from: ImportSource.open(path, format: .csv), .test)
        #expect(report.fault == ImportFault(place: .line(1), reason: .missing("id")))
        #expect(report.records == 0)
    }
}
