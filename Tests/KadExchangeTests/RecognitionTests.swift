import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

/// Every file through every format: a file is claimed by its own and by no other.
@Suite("Recognition")
struct RecognitionTests {
    let scratch = Scratch()

    /// What other programs wrote.
    private static let fixtures: [(name: String, format: ExchangeFormat)] = [
        ("devp2p-nodes.json", .devp2p), ("ipfs-cluster.peerstore", .multiaddrs), ("ipfs-swarm-addrs.json", .swarmAddrs),
        ("ipfs-swarm-addrs.txt", .swarmAddrs), ("ipfs-swarm-peers-v.txt", .swarmPeers),
        ("ipfs-swarm-peers.json", .swarmPeers), ("ipfs-swarm-peers.txt", .multiaddrs),
        ("kubo-bootstrap.txt", .multiaddrs), ("libtorrent-dualstack.dat", .libtorrent),
        ("libtorrent-save-state.dat", .libtorrent), ("libtorrent-session-params.dat", .libtorrent),
        ("nebula-neighbors.ndjson", .nebulaNeighbors), ("nebula-visits.ndjson", .nebula),
        ("opendht-nodes.msgpack", .opendht), ("opendht-state.msgpack", .opendhtState),
        ("transmission-dht.dat", .transmission),
    ]

    private func claims(_ bytes: [UInt8], isWhole: Bool = true) -> [ExchangeFormat] {
        bytes.withUnsafeBufferPointer { bytes in
            ExchangeFormat.importable.filter {
                if case .yes = $0.codec.recognise(FileSample(bytes, isWhole: isWhole)) { true } else { false }
            }
        }
    }

    /// A cut sample must not look like something else, however short: at most like nothing. One line of 'swarm peers' may
    /// be a plain list still.
    private func expect(_ bytes: [UInt8], only format: ExchangeFormat, _ name: String) {
        #expect(claims(bytes) == [format], "\(name)")
        for length in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 40)) {
            for isWhole in [false, true] {
                let wrong = claims(Array(bytes[..<length]), isWhole: isWhole).filter { $0 != format }
                #expect(wrong.isEmpty, "\(name), the first \(length) bytes")
            }
        }
    }

    @Test("every sample is claimed by its format alone, whole and cut")
    func samples() throws {
        for (name, format) in Self.fixtures { expect(read(fixture(name)), only: format, name) }
    }

    @Test("a table whose rows begin with addresses is no list of addresses")
    func addressesFirst() {
        for address in ["/dnsaddr/bootstrap.example", "/ip4/10.0.0.1/tcp/1", "/dns4/a.example/tcp/1"] {
            #expect(claims(Array("address,id\n\(address),\(PeerID.test(1).text)\n".utf8)) == [.csv])
        }
    }

    @Test("every export is claimed by its format alone, whole and cut, of stores that are full and empty")
    func exports() async throws {
        for network in Network.known {
            let full = try await scratch.store(network)
            try await fill(full)
            let empty = try await scratch.store(network)
            for format in ExchangeFormat.exportable where format.carries(network) {
                expect(try await scratch.export(full, format), only: format, "\(format) of \(network.name)")
                let bytes = try await scratch.export(empty, format)
                // Nothing but brackets, or nothing at all, is nobody's.
                let isNothing = [ExchangeFormat.multiaddrs, .devp2p].contains(format)
                #expect(claims(bytes) == (isNothing ? [] : [format]), "\(format) of an empty store of \(network.name)")
            }
        }
    }

    @Test("every export is read back with nothing refused, and written the same")
    func roundTrips() async throws {
        for network in Network.known {
            let full = try await scratch.store(network)
            try await fill(full)
            for format in ExchangeFormat.exportable where format.carries(network) && format != .native {
                let bytes = try await scratch.export(full, format)
                let copy = try await scratch.store(network)
                let report = try await scratch.import(bytes, into: copy, .test { $0.trustsHistory = true })
                #expect(report.format == format)
                #expect(report.isComplete, "\(format) of \(network.name): \(report.rejections)")
                // The others name a source, or have an order that comes from what they do not carry.
                if [.multiaddrs, .devp2p].contains(format) {
                    #expect(try await scratch.export(copy, format) == bytes, "\(format)")
                }
            }
        }
    }

    private func fill(_ store: Store) async throws {
        for number in 0..<300 {
            let libp2p = PeerID.test(UInt64(number))
            let id =
                store.network == .libp2p
                ? libp2p : try #require(PeerID(libp2p.bytes.suffix(store.network.keyByteCount)))
            let address = try Multiaddr("/ip4/10.0.\(number >> 8).\(number & 255)/udp/\(1_000 + number)")
            let peer = try store.peer(id)
            try store.record(.heard(peer, addresses: [address], source: "test", at: .seconds(0)))
            if number.isMultiple(of: 3) {
                try store.record(.answered(peer, address: address, rtt: 1_000, at: .seconds(Int64(number))))
            }
        }
        try await store.flush()
    }
}
