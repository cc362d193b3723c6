import Foundation
import KadStore
import Multiformats

@testable import KadExchange

/// The files that peers come in, a target for each format. Of the one that SQLite reads, what stands in its rows.
let importTargets =
    ExchangeFormat.importable.filter { $0 != .pyLibp2p }.map { format in
        FuzzTarget(name: "import-\(format.name)", seeds: { try files(format) }, run: { try read($0, as: format) })
    } + [FuzzTarget(name: "import-py-libp2p", seeds: rows, run: readRow)]

/// The samples that the tests read, and what they have not.
private func files(_ format: ExchangeFormat) throws -> [[UInt8]] {
    let address = "/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    return switch format {
    case .native: try samples("stores/V0001.jsonl", "stores/V0002.jsonl")
    case .csv:
        [
            "id,address,agent,firstSeen\r\n\(address.suffix(52)),/ip4/10.0.0.1/tcp/4001,\"a,\"\"b\"\"\",\r\n",
            "address\n\(address)\n\n\"\(address)\"\n",
        ].map { Array($0.utf8) }
    case .multiaddrs:
        try samples("peers/kubo-bootstrap.txt") + [Array("\(address)\n# a remark\n\n\(address)".utf8)]
    case .kubo: [Array("[\"\(address)\", \"\\u002fip4\\ud83d\\ude00\"]".utf8)]
    case .swarmPeers: try samples("peers/ipfs-swarm-peers.json", "peers/ipfs-swarm-peers-v.txt")
    case .swarmAddrs: try samples("peers/ipfs-swarm-addrs.json", "peers/ipfs-swarm-addrs.txt")
    case .nebula: try samples("peers/nebula-visits.ndjson")
    case .nebulaNeighbors: try samples("peers/nebula-neighbors.ndjson")
    case .libtorrent: try samples("peers/libtorrent-session-params.dat", "peers/libtorrent-dualstack.dat")
    case .transmission: try samples("peers/transmission-dht.dat")
    case .opendht: try samples("peers/opendht-nodes.msgpack")
    case .opendhtState: try samples("peers/opendht-state.msgpack")
    case .devp2p: try samples("peers/devp2p-nodes.json")
    case .pyLibp2p: try rows()
    }
}

private func samples(_ names: String...) throws -> [[UInt8]] { try names.map(Fixtures.bytes) }

private func read(_ bytes: [UInt8], as format: ExchangeFormat) throws {
    let descriptor = try temporaryFile(bytes)
    let network = format.codec.networks?.first ?? .libp2p
    let reader = format.codec.reader(ByteInput(descriptor: descriptor, name: "input", closing: true), network: network)
    var items = 0
    while let item = try reader.next() {
        items += 1
        try Broken.unless(items <= bytes.count + 1, "more records than bytes")
        if case .fault = item {
            try Broken.unless(try reader.next() == nil, "a file is read on behind what ended it")
            break
        }
    }
}

/// A file without a name that holds these bytes, at its beginning; in memory, where the system has files there.
private func temporaryFile(_ bytes: [UInt8]) throws -> CInt {
    let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(folder)/kadstore-fuzz.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Broken(description: "no temporary file") }
    unlink(template)
    let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard written == bytes.count else { throw Broken(description: "no room for a temporary file") }
    return descriptor
}

// MARK: - py-libp2p

@Sendable private func rows() throws -> [[UInt8]] {
    let addresses = try FuzzSeeds.addressBytes()
    return [
        addresses.flatMap { FuzzSeeds.field(1, $0) },
        FuzzSeeds.field(2, 7) + FuzzSeeds.field(1, addresses[0]) + FuzzSeeds.field(3, "text"),
        FuzzSeeds.varint(4 << 3 | 1) + [UInt8](repeating: 1, count: 8) + FuzzSeeds.varint(5 << 3 | 5) + [1, 2, 3, 4],
    ]
}

private func readRow(_ bytes: [UInt8]) throws {
    var message = AddressMessage(bytes[...])
    var count = 0
    while let address = try? message.next() {
        count += address.count + 1
        _ = try? Multiaddr(bytes: address)
    }
    try Broken.unless(count <= bytes.count, "more addresses than bytes")
}
