import ArgumentParser
import KadStore
import Kademlia
import Multiformats

/// Makes a store of synthetic peers: libp2p ids of 38 bytes, one address each.
struct Fill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a store of n peers.")

    @Argument var path: String
    @Option(help: "Peers.") var rows = 1_000_000
    @Option var seed: UInt64 = 1

    func run() async throws {
        let clock = ContinuousClock()
        let store = try await Store.open(path, mode: .create(.libp2p, .private))
        let added = try await clock.measure {
            let loader = try store.bulkLoader(BulkOptions(now: Instant(milliseconds: 1_700_000_000_000)))
            var generator = SeededGenerator(seed: seed)
            for index in 0..<rows { try loader.add(Synthetic.peer(index, &generator)) }
            _ = try await loader.finish()
        }
        let statistics = try await store.statistics()
        try await store.close()
        let seconds = Double(added.components.seconds) + Double(added.components.attoseconds) / 1e18
        print(
            "\(rows) peers in \(seconds) s: \(Int(Double(rows) / seconds)) rows/s,",
            "\(statistics.bytesPerPeer ?? 0) bytes a peer")
    }
}

enum Synthetic {
    /// An Ed25519 peer id with random key bytes, and one address.
    static func peer(_ index: Int, _ generator: inout SeededGenerator) -> ImportedPeer {
        var bytes: [UInt8] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
        bytes += Key.random(using: &generator).bytes()
        let address = Multiaddr(ip: .v4(0x0a00_0000 | UInt32(index & 0xff_ffff)), tcp: 4001)
        var peer = ImportedPeer(id: PeerID(bytes)!, addresses: [ImportedPeer.Address(address)], source: "benchmark")
        peer.agent = "kubo/0.30.0/"
        peer.protocols = ["/ipfs/id/1.0.0", "/ipfs/kad/1.0.0"]
        return peer
    }
}
