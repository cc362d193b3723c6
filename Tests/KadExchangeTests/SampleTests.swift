import KadExchange
import KadStore
import Kademlia
import Multiformats
import Testing

@Suite("Sample files of other programs")
struct SampleTests {
    let scratch = Scratch()

    @Test("nebula's visits bring peers, stamps and failure classes")
    func nebula() async throws {
        let store = try await scratch.store()
        let source = try ImportSource.open(fixture("nebula-visits.ndjson"))
        #expect(source.format == .nebula)
        #expect(source.network == .libp2p)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.records == 24)
        #expect(report.isComplete)
        #expect(report.summary.peers.added == 24)
        #expect(report.notes == [.notDialled("no_good_addresses"): 4])

        let peers = try store.allPeers()
        #expect(peers.count == 24)
        let classes = peers.flatMap(\.failures).reduce(into: [:]) { $0[$1.failureClass, default: 0] += $1.count }
        #expect(classes == [.timeout: 4, .refused: 4, .identityMismatch: 4])
        // Foreign successes do not count unless they are trusted.
        #expect(peers.allSatisfy { $0.lastOK == nil && $0.rtt == nil && $0.successes == 0 })

        let id = try PeerIDEncoding.libp2p.decode("12D3KooWCmBiXQRKqTPiQFZ7YKCxvewPEqWaUyGgemowB5mpeUBC")
        let record = try #require(try store.record(of: try store.peer(id).key))
        #expect(record.agent == "kubo/0.30.0/")
        #expect(record.protocols == ["/ipfs/id/1.0.0", "/ipfs/kad/1.0.0"])
        #expect(record.firstSeen == Instant(milliseconds: 1_795_168_800_000))
        #expect(record.lastSeen == Instant(milliseconds: 1_795_168_800_050))
        #expect(record.source == "file:nebula-visits.ndjson")
        #expect(
            Set(record.addresses.map(\.address.description)) == [
                "/ip4/203.0.113.1/tcp/4001", "/ip4/203.0.113.1/udp/4001/quic-v1", "/ip6/2001:db8:1::1/tcp/4001",
                "/dns4/n0.example.net/tcp/443/tls/ws",
            ])
    }

    @Test("nebula's successes count when history is trusted")
    func nebulaTrusted() async throws {
        let store = try await scratch.store()
        _ = try await store.importPeers(
            from: ImportSource.open(fixture("nebula-visits.ndjson")), .test { $0.trustsHistory = true })
        let answered = try store.allPeers().filter { $0.lastOK != nil }
        #expect(answered.count == 8)
        #expect(answered.allSatisfy { $0.successes == 1 && $0.rtt?.smoothed == 41_200 })
        #expect(answered.allSatisfy { $0.addresses.first?.lastOK == $0.lastOK })
    }

    @Test("the documentation addresses of the samples are no peers of a public store, but names are")
    func publicScope() async throws {
        let store = try await scratch.store(.libp2p, .public)
        let report = try await store.importPeers(from: ImportSource.open(fixture("nebula-visits.ndjson")), .test)
        // Failed peers carry history and stay, without addresses; others had nothing but these.
        #expect(report.unroutableAddresses > 0)
        let kept = try store.allPeers().flatMap(\.addresses).map(\.address)
        #expect(kept.allSatisfy { $0.isDNS })
    }

    @Test("ipfs-cluster's peerstore brings the peers' addresses together")
    func cluster() async throws {
        let store = try await scratch.store()
        let source = try ImportSource.open(fixture("ipfs-cluster.peerstore"))
        #expect(source.format == .multiaddrs)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.records == 13)
        #expect(report.isComplete)
        #expect(report.summary.peers.added == 5)
        #expect(try store.allPeers().map(\.addresses.count).sorted() == [2, 2, 2, 3, 4])
    }

    @Test("Kubo's bootstrap list keeps dnsaddr unresolved and is routable")
    func bootstrap() async throws {
        let store = try await scratch.store(.libp2p, .public)
        let report = try await store.importPeers(from: ImportSource.open(fixture("kubo-bootstrap.txt")), .test)
        #expect(report.isComplete)
        #expect(report.summary.peers.added == 6)
        let addresses = try store.allPeers().flatMap(\.addresses).map(\.address.description)
        #expect(addresses.count == 7)
        #expect(addresses.filter { $0 == "/dnsaddr/bootstrap.libp2p.io" }.count == 4)
    }

    @Test(
        "libtorrent's states bring candidates and the session's own ids",
        arguments: [
            ("libtorrent-session-params.dat", 60, 0), ("libtorrent-save-state.dat", 60, 0),
            ("libtorrent-dualstack.dat", 11, 11),
        ])
    func libtorrent(name: String, v4: Int, v6: Int) async throws {
        let store = try await scratch.store(.mainline)
        let source = try ImportSource.open(fixture(name))
        #expect(source.format == .libtorrent)
        #expect(source.network == .mainline)
        let report = try await store.importPeers(from: source, .test)
        #expect(report.isComplete)
        #expect(report.localIDs.count == 2)
        #expect(report.localIDs.allSatisfy { $0.bytes.count == 20 })
        #expect(report.summary.candidates.added == v4 + v6)
        #expect(report.summary.peers.total == 0)
        let candidates = try store.allCandidates().map(\.address.description)
        #expect(candidates.filter { $0.hasPrefix("/ip4/198.18.") && $0.contains("/udp/") }.count == v4)
        #expect(candidates.filter { $0.hasPrefix("/ip6/2001:db8:") && $0.contains("/udp/") }.count == v6)
        if name == "libtorrent-session-params.dat" { #expect(candidates.contains("/ip4/198.18.2.10/udp/6881")) }
    }

    @Test(
        "importing a file twice changes nothing, at whatever time",
        arguments: [
            ("nebula-visits.ndjson", Network.libp2p), ("ipfs-cluster.peerstore", .libp2p),
            ("kubo-bootstrap.txt", .libp2p), ("libtorrent-dualstack.dat", .mainline),
            ("transmission-dht.dat", .mainline), ("opendht-nodes.msgpack", .opendht),
            ("opendht-state.msgpack", .opendht),
        ])
    func twice(name: String, network: Network) async throws {
        let store = try await scratch.store(network)
        _ = try await store.importPeers(from: ImportSource.open(fixture(name)), .test { $0.trustsHistory = true })
        let before = try await scratch.export(store)
        let later = ImportOptions.test {
            $0.trustsHistory = true
            $0.now = Instant.test.advanced(byMilliseconds: 86_400_000)
        }
        let report = try await store.importPeers(from: ImportSource.open(fixture(name)), later)
        #expect(report.summary.peers.added + report.summary.peers.updated == 0)
        #expect(report.summary.candidates.added + report.summary.candidates.updated == 0)
        #expect(try await scratch.export(store) == before)
    }

    @Test("a dry run counts and changes nothing")
    func dryRun() async throws {
        let store = try await scratch.store()
        let before = try await scratch.export(store)
        let report = try await store.importPeers(
            from: ImportSource.open(fixture("nebula-visits.ndjson")), .test { $0.isDryRun = true })
        #expect(report.summary.peers.added == 24)
        #expect(try store.allPeers().isEmpty)
        #expect(try await scratch.export(store) == before)
    }

    @Test("a file of another network is refused")
    func otherNetwork() async throws {
        let store = try await scratch.store(.mainline)
        await #expect(throws: ExchangeError.self) {
            try await store.importPeers(from: ImportSource.open(fixture("nebula-visits.ndjson")), .test)
        }
        await #expect(throws: ExchangeError.networkNotCarried(format: .multiaddrs, network: "mainline")) {
            var options = ExportOptions()
            options.format = .multiaddrs
            return try await store.exportPeers(to: scratch.path("x"), options)
        }
    }

    @Test("a source is good for one import")
    func onceOnly() async throws {
        let store = try await scratch.store()
        let source = try ImportSource.open(fixture("kubo-bootstrap.txt"))
        _ = try await store.importPeers(from: source, .test)
        await #expect(throws: ExchangeError.alreadyRead(name: fixture("kubo-bootstrap.txt"))) {
            try await store.importPeers(from: source, .test)
        }
    }
}
