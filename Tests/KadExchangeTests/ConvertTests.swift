import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("Converting")
struct ConvertTests {
    private func convert(
        _ paths: [String], to format: ExchangeFormat, _ scratch: Scratch, _ input: ImportOptions = .test,
        network: Network? = nil, scope: Scope? = .private
    ) async throws -> (bytes: [UInt8], report: ConvertReport) {
        var options = ConvertOptions(to: format, input)
        options.network = network
        options.scope = scope
        let path = scratch.path("converted-\(UUID().uuidString)")
        let report = try await Exchange.convert(paths.map { try ImportSource.open($0) }, to: path, options)
        return (read(path), report)
    }

    private static let samples = ["nebula-visits.ndjson", "ipfs-cluster.peerstore", "kubo-bootstrap.txt"]

    /// A store's peers of every kind in the native format.
    private func nativeFile(_ scratch: Scratch) async throws -> String {
        let store = try await scratch.store()
        for name in Self.samples {
            _ = try await store.importPeers(
                from: ImportSource.open(fixture(name)), .test { $0.trustsHistory = true })
        }
        let bytes = try await scratch.export(store)
        try await store.close()
        return try scratch.write(bytes, "native-\(UUID().uuidString)")
    }

    @Test("gives what importing into an empty store and exporting gives", arguments: ExchangeFormat.exportable)
    func equalsImport(format: ExchangeFormat) async throws {
        let scratch = Scratch()
        let native = try await nativeFile(scratch)
        let candidates = try scratch.write("/ip4/10.1.1.1/tcp/1\n/ip4/10.0.0.9/udp/2\n/ip4/10.1.1.1/tcp/1\n", "list")
        let files = Self.samples.map { fixture($0) } + [native, candidates]
        guard format.carries(.libp2p) else {
            await #expect(throws: ExchangeError.networkNotCarried(format: format, network: "libp2p")) {
                _ = try await convert(files, to: format, scratch)
            }
            return
        }
        let changes: [@Sendable (inout ImportOptions) -> Void] = [
            { _ in }, { $0.trustsHistory = true }, { $0.takesHistory = false }, { $0.filter = .everAnswered },
            {
                $0.source = "us"
                $0.allowsUnroutable = true
            },
        ]
        for change in changes {
            let options = ImportOptions.test(change)
            let store = try await scratch.store()
            for file in files { _ = try await store.importPeers(from: ImportSource.open(file), options) }
            let expected = try await scratch.export(store, format)
            try await store.close()
            let (bytes, report) = try await convert(files, to: format, scratch, options)
            #expect(bytes == expected, "\(format), \(options.filter)")
            #expect(report.files.count == files.count)
            #expect(report.written?.peers ?? 0 > 0)
        }
    }

    @Test("sorts what does not fit into memory, and merges what comes twice")
    func manyRuns() throws {
        var options = BulkOptions(now: .test)
        options.memoryLimit = 1
        let records = RecordSorter(network: .libp2p, options: options)
        for number in (0..<3_000).reversed() {
            var peer = ImportedPeer(id: .test(UInt64(number % 1_000)))
            peer.addresses = [.init(try Multiaddr("/ip4/10.0.0.\(number / 1_000)/tcp/1"))]
            try records.add(peer)
        }
        var found: [PeerRecord] = []
        while case let page = try records.nextPeers(limit: 77), !page.isEmpty { found += page }
        #expect(found.map(\.key) == found.map(\.key).sorted())
        #expect(Set(found.map(\.id)) == Set((0..<1_000).map { PeerID.test(UInt64($0)) }))
        #expect(found.count == 1_000 && found.allSatisfy { $0.addresses.count == 3 })
    }

    @Test("networks are not mixed, and have to be stated by somebody")
    func networks() async throws {
        let scratch = Scratch()
        let torrent = fixture("libtorrent-session-params.dat")
        await #expect(throws: ExchangeError.self) {
            _ = try await convert([torrent, fixture(Self.samples[0])], to: .native, scratch)
        }
        await #expect(throws: ExchangeError.networkNotCarried(format: .multiaddrs, network: "mainline")) {
            _ = try await convert([torrent], to: .multiaddrs, scratch)
        }
        let csv = try scratch.write("id,address\n\(PeerID.test(1).text),/ip4/10.0.0.1/tcp/1\n", "plain.csv")
        await #expect(throws: ExchangeError.networkNotStated(name: csv)) {
            _ = try await convert([csv], to: .native, scratch)
        }
        #expect(try await convert([csv], to: .native, scratch, network: .libp2p).report.written?.peers == 1)
        #expect(try await convert([torrent], to: .native, scratch).report.written?.candidates ?? 0 > 0)
    }

    @Test("writes nothing when nothing can be taken, or in a dry run")
    func nothing() async throws {
        let scratch = Scratch()
        let bad = try scratch.write("/ip4/10.0.0.1/tcp/1/p2p/Qm\n/ip4/10.0.0.1/tcp/1/p2p/Qn\n/ip4/127.0.0.1/tcp/1\n")
        let (bytes, report) = try await convert([bad], to: .csv, scratch, scope: .public)
        #expect(bytes.isEmpty && report.written == nil)
        #expect(report.files[0].rejected == [.peerID: 2, .unroutable: 1] || report.files[0].rejectedCount == 3)
        let dry = try await convert([fixture(Self.samples[0])], to: .csv, scratch, .test { $0.isDryRun = true })
        #expect(dry.bytes.isEmpty && dry.report.written == nil && dry.report.files[0].taken == 24)
    }
}

@Suite("What an import takes")
struct IntakeTests {
    @Test("of filtered records is counted apart from rejections; candidates pass no condition")
    func filtered() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        let csv = """
            id,address,last_seen_ms,last_ok_ms,source,agent
            \(PeerID.test(1).text),/ip4/10.0.1.1/tcp/1,1790000000000,1790000000000,alice,kubo/1
            \(PeerID.test(2).text),/ip4/10.0.2.1/tcp/1,1790000000000,,bob,kubo/2
            \(PeerID.test(3).text),/ip4/10.0.3.1/tcp/1,,,,
            nonsense,/ip4/10.0.1.1/tcp/1,,,,
            """
        let group = NetworkGroup(.v4(0x0a00_0209))
        let key = try Network.libp2p.key(of: .test(3))
        let cases: [(PeerFilter, Set<PeerID>)] = [
            (.everAnswered, [.test(1)]), (.source("bob"), [.test(2)]), (.inGroup(group), [.test(2)]),
            (.agent(containing: "kubo"), [.test(1), .test(2)]), (.standing(.unverified), [.test(2), .test(3)]),
            // Without a time of its own a record counts as heard of now; the name of the file is its source.
            (.seen(since: .test.advanced(byMilliseconds: -1)), [.test(3)]), (.sharesPrefix(256, with: key), [.test(3)]),
        ]
        for (filter, wanted) in cases {
            var taken: Set<PeerID> = []
            let report = try await scratch.import(csv, into: store, .test { $0.filter = filter })
            for peer in try store.allPeers() {
                taken.insert(peer.id)
                try store.record(.forgotten(peer.peer, leaving: nil))
            }
            try await store.flush()
            #expect(taken == wanted, "\(filter)")
            #expect(report.filtered == 3 - wanted.count && report.rejected == [.peerID: 1] && report.records == 4)
        }
        let list = try await scratch.import(
            "/ip4/10.0.0.1/udp/6881\n", into: store, .test { $0.filter = .source("friends") })
        #expect(list.filtered == 1 && list.taken == 0)
        #expect(try store.allCandidates().isEmpty)
    }

    @Test("waits and breakers of a native file are asked, but not taken")
    func backoffs() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        let peer = try store.peer(.test(5))
        try store.record(.heard(peer, addresses: [], source: nil, at: .seconds(1)))
        try store.record(.answered(peer, address: nil, rtt: 5, at: .seconds(2)))
        try store.record(
            .backoff(peer, BackoffState(streakMilli: 1, streakAt: .seconds(2), lastClass: .timeout, breaker: .open)))
        let native = try await scratch.export(store)
        let other = try await scratch.store()
        #expect(try await scratch.import(native, into: other, .test { $0.filter = .breaker(.closed) }).filtered == 1)
        #expect(try await scratch.import(native, into: other, .test { $0.filter = .breaker(.open) }).taken == 1)
        #expect(try other.allPeers().map(\.backoff) == [nil])
    }

    @Test("without history is ids and addresses alone")
    func noHistory() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        _ = try await store.importPeers(
            from: ImportSource.open(fixture("nebula-visits.ndjson")),
            .test {
                $0.takesHistory = false
                $0.trustsHistory = true
            })
        let peers = try store.allPeers()
        #expect(peers.count == 24)
        for peer in peers {
            #expect(peer.firstSeen == .test && peer.lastSeen == .test && peer.lastOK == nil && peer.successes == 0)
            #expect(peer.failures.isEmpty && peer.rtt == nil && peer.agent == nil && peer.protocols.isEmpty)
            #expect(peer.addresses.allSatisfy { $0.firstSeen == .test && $0.lastOK == nil && $0.failures == 0 })
        }
        #expect(peers.contains { !$0.addresses.isEmpty })
    }

    @Test("without history a peer has nothing left that has no address of the scope either")
    func noHistoryNoAddress() async throws {
        let scratch = Scratch()
        for takesHistory in [true, false] {
            let store = try await scratch.store(.libp2p, .public)
            let report = try await store.importPeers(
                from: ImportSource.open(fixture("nebula-visits.ndjson")), .test { $0.takesHistory = takesHistory })
            // Failures are worth keeping, bare ids are not.
            #expect(try store.allPeers().contains { $0.addresses.isEmpty } == takesHistory)
            #expect(report.rejected[.unroutable] ?? 0 > 0)
        }
    }

    @Test("a record whose last bytes the limit of the reject file cuts is text still", arguments: 0..<4)
    func cutCharacter(shift: Int) async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        let rejects = try RejectFile(path: scratch.path("rejects.jsonl"))
        let line = "/" + String(repeating: "x", count: shift) + String(repeating: "\u{1f600}", count: 20_000)
        _ = try await scratch.import(
            line + "\n", into: store, format: .multiaddrs, .test { $0.onRejection = { rejects.append($0, of: "in") } })
        try rejects.commit()
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(read(scratch.path("rejects.jsonl")))) as? [String: Any])
        let text = try #require(object["text"] as? String)
        #expect(line.hasPrefix(text) && text.utf8.count == Rejection.byteLimit - (3 - shift))
        #expect(object["isCut"] as? Bool == true)
    }

    @Test("addresses are those of a public store where nobody says otherwise")
    func publicByDefault() async throws {
        let scratch = Scratch()
        let path = try scratch.write("/ip4/10.0.0.1/udp/1\n/ip4/8.8.8.8/udp/1\n")
        let report = try await Exchange.convert(
            [ImportSource.open(path)], to: scratch.path("out"), ConvertOptions(to: .multiaddrs, .test))
        #expect(report.scope == .public)
        #expect(String(decoding: read(scratch.path("out")), as: UTF8.self) == "/ip4/8.8.8.8/udp/1\n")
    }

    @Test("leaves every rejected record in the reject file, whole enough to be repaired and imported")
    func rejectFile() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        let path = scratch.path("rejects.jsonl")
        let rejects = try RejectFile(path: path)
        let options = ImportOptions.test { $0.onRejection = { rejects.append($0, of: "in") } }
        let long = String(repeating: "x", count: 70_000)
        let nebula = """
            {"PeerID":"\(PeerID.test(1).text)","Maddrs":["/ip4/10.0.0.1/tcp/1"]
            {"PeerID":"\(PeerID.test(2).text)","Maddrs":["/ip4/10.0.0.1/tcp/1"],"VisitStartedAt":"\(long)"}
            """
        let csv = """
            id,address
            "12D3\n,/ip4/10.0.0.1/tcp/1
            nobody,"/ip4/10.0.0.1/tcp/1"
            \(PeerID.test(3).text),/ip4/10.0.0.1/tcp/1/p2p/\(PeerID.test(4).text)
            """
        var found = 0
        found += try await scratch.import(nebula, into: store, format: .nebula, options).rejectedCount
        found += try await scratch.import(csv, into: store, format: .csv, options).rejectedCount
        found += try await scratch.import(
            [0x2f, 0xff, 0x0a] + Array("/ip4/10.0.0.1/tcp/1/p2p/x\n".utf8), into: store, format: .multiaddrs, options
        ).rejectedCount
        #expect(!FileManager.default.fileExists(atPath: path))
        try rejects.commit()
        let lines = try String(decoding: read(path), as: UTF8.self).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.count == found && found >= 6)
        let texts = lines.compactMap { $0["text"] as? String }
        let first = try #require(texts.first)
        #expect(try await scratch.import(first + "}\n", into: store, format: .nebula).taken == 1)
        #expect(lines.filter { $0["isCut"] as? Bool == true }.count == 1)
        #expect(texts.contains("nobody,\"/ip4/10.0.0.1/tcp/1\""))
        #expect(texts.contains { $0.hasPrefix("\(PeerID.test(3).text),") })
        #expect(lines.contains { $0["hex"] as? String == "2fff0a" })
        #expect(lines.allSatisfy { $0["kind"] is String && $0["reason"] is String && $0["line"] is Int })
    }

    @Test("an unknown file says what was tried, and why what nearly fits does not")
    func tried() throws {
        let scratch = Scratch()
        func message(_ text: String) throws -> String {
            let path = try scratch.write(text)
            let error = #expect(throws: ExchangeError.self) { _ = try ImportSource.open(path) }
            return error?.description ?? ""
        }
        let csv = try message("address,agent,key\n/ip4/10.0.0.1,x,y\n")
        #expect(csv.contains("csv (its first line names no column 'id')"))
        for format in ExchangeFormat.importable { #expect(csv.contains(format.name)) }
        #expect(try message("{\"kadstore\":\"peers\",\"schema\":99}\n").contains("kadstore ("))
        #expect(try message("Dear diary,\n").contains("Tried: kadstore, csv, "))
        #expect(FormatAttempt(.csv, nearMiss: String(repeating: "x", count: 9_999)).description.utf8.count < 256)
    }

    @Test("a restore from a slow pipe keeps no other writer waiting")
    func slowRestore() async throws {
        let scratch = Scratch()
        let source = try await scratch.store()
        try source.record(.heard(try source.peer(.test(1)), addresses: [], source: nil, at: .seconds(1)))
        let native = try await scratch.export(source)
        let path = scratch.path("target.db")
        let target = try await scratch.store(name: "target.db")
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data(native.dropLast(10) + []))
        let descriptor = dup(pipe.fileHandleForReading.fileDescriptor)
        async let restored: RestoreReport = Task.detached {
            try await target.restorePeers(
                from: ImportSource.open(descriptor: descriptor, name: "pipe", format: .native))
        }.value
        // Another process would be another opening of the file, as this one is.
        let other = try await Store.open(path)
        try other.record(.heard(try other.peer(.test(2)), addresses: [], source: nil, at: .seconds(1)))
        try await other.flush()
        try pipe.fileHandleForWriting.write(contentsOf: Data(native.suffix(10)))
        try pipe.fileHandleForWriting.close()
        do {
            _ = try await restored
            Issue.record("restored into a store that has a peer")
        } catch ExchangeError.store(.notEmpty) {}
        try await other.close()
        try await target.close()
    }

    @Test("a restore from a pipe gives the same bytes, a damaged one nothing")
    func pipedRestore() async throws {
        let scratch = Scratch()
        let source = try await scratch.store()
        _ = try await source.importPeers(from: ImportSource.open(fixture("nebula-visits.ndjson")), .test)
        let native = try await scratch.export(source)
        for (bytes, isGood) in [(native, true), (native.dropLast(100) + [], false)] {
            let pipe = Pipe()
            try pipe.fileHandleForWriting.write(contentsOf: Data(bytes))
            try pipe.fileHandleForWriting.close()
            let input = try ImportSource.open(
                descriptor: dup(pipe.fileHandleForReading.fileDescriptor), name: "pipe")
            let target = try await scratch.store()
            let report = try? await target.restorePeers(from: input)
            #expect((report != nil) == isGood)
            if isGood { #expect(try await scratch.export(target) == native) }
            if !isGood { #expect(try target.allPeers().isEmpty) }
        }
    }
}
