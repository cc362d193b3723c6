import Kademlia
import Multiformats
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("ipfs swarm peers")
struct SwarmPeersTests {
    let scratch = Scratch()

    private let one = PeerID.test(1).text
    private let two = PeerID.test(2).text

    private func record(_ store: Store, _ number: UInt64) throws -> PeerRecord? {
        try store.record(of: try store.peer(.test(number)).key)
    }

    @Test("every combination of options is told from a list of addresses")
    func options() async throws {
        let address = "/ip4/10.0.0.1/tcp/4001/p2p/\(one)"
        let relayed = "/ip4/10.0.0.9/tcp/4001/p2p/\(two)/p2p-circuit/p2p/\(one)"
        for (text, format) in [
            ("\(address)\n", ExchangeFormat.multiaddrs),
            ("\(address)\n  /ip4/10.0.0.2/tcp/1/p2p/\(two)\n", .multiaddrs),
            ("\(address) \n", .multiaddrs), ("\(address) 12ms\n", .swarmPeers), ("\(address) n/a\n", .swarmPeers),
            ("\(address) outbound\n", .swarmPeers), ("\(address) 1m2.5s inbound\n", .swarmPeers),
            ("\(address)\n  /ipfs/kad/1.0.0\n", .swarmPeers), ("\(address)\n\(address)\n  floodsub\n", .swarmPeers),
            ("\(address)\n\(relayed) 1s\n", .swarmPeers), ("{\"Peers\":null}", .swarmPeers),
            ("{\"Peers\":[]}", .swarmPeers), ("{ \"Peers\": [ {\"Peer\":\"x", .swarmPeers),
        ] {
            #expect(try ImportSource.open(try scratch.write(text)).format == format, "\(text)")
        }
        for text in ["\(address) what is this\n", "\(address) 12ms outbound more\n", "{\"Peers\":[7]}"] {
            #expect(throws: ExchangeError.self) { try ImportSource.open(try scratch.write(text)) }
        }
    }

    @Test("the text and the document say the same of each peer")
    func sample() async throws {
        let text = try await scratch.store()
        _ = try await text.importPeers(
            from: ImportSource.open(fixture("ipfs-swarm-peers-v.txt")), .test { $0.trustsHistory = true })
        let document = try await scratch.store()
        let report = try await document.importPeers(
            from: ImportSource.open(fixture("ipfs-swarm-peers.json")), .test { $0.trustsHistory = true })
        #expect(report.notes == [.inboundAddress: 2])
        let peers = try text.allPeers()
        let full = try document.allPeers()
        #expect(peers.map(\.id) == full.map(\.id))
        for (peer, full) in zip(peers, full) {
            #expect(peer.rtt == full.rtt)
            #expect(peer.agent == nil && full.agent == "kubo/0.34.1/")
            #expect(Set(peer.protocols).isSubset(of: full.protocols) && full.protocols.count == 4)
            #expect(Set(peer.addresses.map(\.address)).isSubset(of: full.addresses.map(\.address)))
            #expect(peer.lastOK == nil && peer.successes == 0)
        }
        #expect(peers.filter { $0.rtt == nil }.count == 1)
        #expect(peers.allSatisfy { !$0.protocols.contains("<no protocol name>") })
        let id = try PeerIDEncoding.libp2p.decode("12D3KooWFWxpMjGkH8coWrg8hyJVN8e5Pkv9HaBKJAPUMLZARoqD")
        #expect(try text.record(of: try text.peer(id).key)?.rtt?.smoothed == 28_641)
    }

    @Test("a latency counts with trust alone")
    func trust() async throws {
        let store = try await scratch.store()
        _ = try await store.importPeers(from: ImportSource.open(fixture("ipfs-swarm-peers-v.txt")), .test)
        #expect(try store.allPeers().allSatisfy { $0.rtt == nil })
    }

    @Test("of inbound connections only addresses are taken that the peer listens at")
    func inbound() async throws {
        let store = try await scratch.store()
        let text = """
            /ip4/10.0.0.1/tcp/50001/p2p/\(one) 3ms inbound
            /ip4/10.0.0.1/udp/4001/quic-v1/p2p/\(one) 3ms inbound
            /ip4/10.0.0.9/udp/4001/quic-v1/p2p/\(two)/p2p-circuit/p2p/\(one) inbound
            /ip4/10.0.0.1/tcp/4001/p2p/\(one) outbound
            /ip4/10.0.0.2/tcp/50002/tls/ws/p2p/\(two) inbound
            """
        let report = try await scratch.import(text, into: store)
        #expect(report.isComplete)
        #expect(report.notes == [.inboundAddress: 3])
        #expect(
            Set(try record(store, 1)?.addresses.map(\.address.description) ?? []) == [
                "/ip4/10.0.0.1/udp/4001/quic-v1", "/ip4/10.0.0.1/tcp/4001",
            ])
        #expect(try record(store, 2)?.addresses.isEmpty == true)
    }

    @Test("wrong lines are rejected with their streams; the others stay")
    func lines() async throws {
        let store = try await scratch.store()
        let many = (0..<400).map { "  /p/\($0)\n  /p/\($0)\n" }.joined()
        let text = """
              /orphan/1.0.0
            /ip4/10.0.0.1/tcp/4001/p2p/\(one) 3ms
              /a/1.0.0\u{1b}[31m
            /ip4/10.0.0.1/tcp/4001 3ms
              /b/1.0.0
            /ip4/10.0.0.999/tcp/4001/p2p/\(one) 3ms
            /ip4/10.0.0.1/tcp/4001/p2p/\(one) soon
            garbage
            /ip4/10.0.0.2/tcp/4001/p2p/\(two) -4ms outbound
            \(many)
            """
        let report = try await scratch.import(text, into: store, format: .swarmPeers)
        #expect(report.rejections.map(\.place) == [1, 4, 6, 7, 8].map { Place.line($0) })
        #expect(report.rejected == [.address: 3, .missing: 1, .type: 1])
        #expect(report.rejections.allSatisfy { ($0.excerpt ?? "").unicodeScalars.allSatisfy(Printable.isHarmless) })
        #expect(try record(store, 1)?.protocols.count == 1)
        #expect(try record(store, 2)?.protocols.count == PeerRecord.maximumProtocols)
        #expect(try record(store, 2)?.rtt == nil)
    }

    @Test("streams below a line that cannot be read are not given to the connection before it, nor names without end")
    func unreadableLine() async throws {
        let store = try await scratch.store()
        var text = Array("/ip4/10.0.0.1/tcp/4001/p2p/\(one) 3ms\n  /a/1\n  ".utf8) + [0xff] + Array("\n  /b/1\n".utf8)
        text += Array("  /\(String(repeating: "c", count: PeerRecord.maximumNameLength))\n".utf8)
        text += [0xff] + Array("/ip4/10.0.0.2/tcp/4001/p2p/\(two) 3ms\n  /d/1\n".utf8)
        let report = try await scratch.import(text, into: store, format: .swarmPeers)
        #expect(report.rejections.map(\.place) == [3, 6].map { Place.line($0) })
        #expect(report.summary.peers.added == 1)
        #expect(try record(store, 1)?.protocols == ["/a/1", "/b/1"])
    }

    @Test("wrong records of a document are rejected one by one")
    func document() async throws {
        let store = try await scratch.store()
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        let records = [
            "{\"Addr\":\"/ip4/10.0.0.1/tcp/1\",\"Peer\":\"\(one)\"}", "7", "{\"Addr\":\"/ip4/10.0.0.1/tcp/1\"}",
            "{\"Peer\":\"\(two)\",\"Latency\":\"fast\"}", "{\"Peer\":\"x\"}", "{\"Peer\":\"\(two)\",\"Streams\":7}",
            "{\"Peer\":\"\(two)\",\"Direction\":\"in\"}", "{\"Peer\":\"\(two)\",\"New\":\(deep)}",
            "{\"Peer\":\"\(two)\",\"Addr\":\"/ip4/10.0.0.1/tcp/1/p2p/\(one)\"}", "[]", "\"\(one)\"",
            "{\"Peer\":\"\(two)\",\"Addr\":\"\",\"Identify\":{\"Addresses\":[\"/new/1\",\"/ip4/10.0.0.2/tcp/1\"],\"Protocols\":null}}",
        ]
        let report = try await scratch.import("{\"Peers\":[\(records.joined(separator: ","))]}", into: store)
        #expect(report.fault == nil)
        #expect(report.records == 12)
        #expect(report.rejected == [.syntax: 4, .missing: 1, .type: 3, .peerID: 1, .mismatch: 1])
        #expect(report.notes == [.unreadableAddress: 1])
        #expect(report.rejections.allSatisfy { if case .offset = $0.place { true } else { false } })
        #expect(report.summary.peers.added == 2)
    }
}
