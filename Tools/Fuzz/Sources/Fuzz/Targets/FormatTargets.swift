import Foundation
import Kademlia
import Multiformats

@testable import KadExchange
@testable import KadStore

/// Text and binary forms of addresses and ids, and the files that peers come in.
let formatTargets = [
    FuzzTarget(name: "multiaddr", seeds: addressSeeds, run: readAddress),
    FuzzTarget(name: "peer-id", seeds: idSeeds, run: readID),
    FuzzTarget(name: "import", seeds: fileSeeds, run: importFile),
    FuzzTarget(name: "native", seeds: nativeSeeds, run: rewriteLine),
]

@Sendable private func addressSeeds() throws -> [[UInt8]] {
    try FuzzSeeds.addressBytes() + FuzzSeeds.addresses.map { Array($0.utf8) }
}

private func readAddress(_ bytes: [UInt8]) throws {
    if let address = try? Multiaddr(bytes: bytes) { try survives(address) }
    let text = bytes.withUnsafeBufferPointer { try? Multiaddr(utf8: $0) }
    if let text { try survives(text) }
}

private func readID(_ bytes: [UInt8]) throws {
    for encoding in PeerIDEncoding.allCases {
        guard let id = bytes.withUnsafeBufferPointer({ try? encoding.decode(utf8: $0) }) else { continue }
        try Broken.unless(try encoding.decode(encoding.encode(id)) == id, "an id changes on its way through text")
    }
}

private func survives(_ address: Multiaddr) throws {
    let again = try Multiaddr(address.description)
    try Broken.unless(again == address, "\(address) changes on its way through text")
    try Broken.unless(
        address.components.map(\.description).joined() == address.description, "\(address) is not its parts")
    _ = (address.ipAddress, address.port, address.isDNS, address.isRelayed)
    _ = (address.networkGroup(private: false), address.networkGroup(private: true))
    let id = FuzzSeeds.id
    if let plain = address.withoutPeerID, let named = try? plain.with(peerID: id) {
        try Broken.unless(named.peerID == id, "\(address) does not keep an id")
    }
}

extension FuzzSeeds {
    /// An Ed25519 key's.
    static let id: PeerID = {
        guard let id = PeerID([0, 36, 8, 1, 18, 32] + (0..<32)) else { preconditionFailure("this is an id") }
        return id
    }()
}

@Sendable private func idSeeds() -> [[UInt8]] {
    [
        "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp", "00" + String(repeating: "a5", count: 19),
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe",
        "16Uiu2HAm1XxFd1Q4M7muDVzzX3YgErZ7CYhxtezjy4GGr1D2c8EL",
    ].map { Array($0.utf8) }
}

// MARK: - Files

/// All but the one that SQLite reads.
private let formats = ExchangeFormat.importable.filter { $0 != .pyLibp2p }

/// The samples that the tests read, with the format's number in front of each.
@Sendable private func fileSeeds() throws -> [[UInt8]] {
    let samples: [(ExchangeFormat, String)] = [
        (.native, "stores/V0001.jsonl"), (.native, "stores/V0002.jsonl"), (.multiaddrs, "peers/kubo-bootstrap.txt"),
        (.swarmPeers, "peers/ipfs-swarm-peers.json"), (.swarmPeers, "peers/ipfs-swarm-peers-v.txt"),
        (.swarmAddrs, "peers/ipfs-swarm-addrs.json"), (.swarmAddrs, "peers/ipfs-swarm-addrs.txt"),
        (.nebula, "peers/nebula-visits.ndjson"), (.nebulaNeighbors, "peers/nebula-neighbors.ndjson"),
        (.libtorrent, "peers/libtorrent-session-params.dat"), (.libtorrent, "peers/libtorrent-dualstack.dat"),
        (.transmission, "peers/transmission-dht.dat"), (.opendht, "peers/opendht-nodes.msgpack"),
        (.opendhtState, "peers/opendht-state.msgpack"), (.devp2p, "peers/devp2p-nodes.json"),
    ]
    let address = "/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    let texts: [(ExchangeFormat, String)] = [
        (.kubo, "[\"\(address)\", \"\\u002fip4\\ud83d\\ude00\"]"),
        (.multiaddrs, "\(address)\n# a remark\n\n\(address)"),
        (.csv, "id,address,agent,firstSeen\r\n\(address.suffix(52)),/ip4/10.0.0.1/tcp/4001,\"a,\"\"b\"\"\",\r\n"),
    ]
    return try samples.map { try numbered($0, Fixtures.bytes($1)) } + texts.map { numbered($0, Array($1.utf8)) }
}

private func numbered(_ format: ExchangeFormat, _ file: [UInt8]) -> [UInt8] {
    [UInt8(formats.firstIndex(of: format) ?? 0)] + file
}

private enum Fixtures {
    static func bytes(_ name: String) throws -> [UInt8] {
        // Behind a link, this file is in two places.
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let file = folder.appendingPathComponent("Tests/Fixtures/\(name)")
            if FileManager.default.fileExists(atPath: file.path) { return [UInt8](try Data(contentsOf: file)) }
        }
        throw Broken(description: "no sample \(name)")
    }
}

/// The first byte chooses the format, the rest is the file.
private func importFile(_ bytes: [UInt8]) throws {
    guard let first = bytes.first else { return }
    let format = formats[Int(first) % formats.count]
    let descriptor = try temporaryFile(bytes.dropFirst())
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

/// A file without a name that holds these bytes, at its beginning.
private func temporaryFile(_ bytes: ArraySlice<UInt8>) throws -> CInt {
    var template = Array("/tmp/kadstore-fuzz.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw Broken(description: "no temporary file") }
    unlink(template)
    let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard written == bytes.count else { throw Broken(description: "no room for a temporary file") }
    return descriptor
}

// MARK: - Our own format

/// Every line of the samples by itself, and with members that are there and empty.
@Sendable private func nativeSeeds() throws -> [[UInt8]] {
    let empty = Array(#"{"agent":"","source":"","label":"","protocols":[""],"tries":0,"waitMs":1,"#.utf8)
    return try ["V0001", "V0002"].flatMap { name in
        try Fixtures.bytes("stores/\(name).jsonl").split(separator: UInt8(ascii: "\n"))
            .flatMap { line in [Array(line), empty + line.dropFirst()] }
    }
}

/// A line that is read is written as one that is read as the same, and that is written again as the same bytes.
private func rewriteLine(_ line: [UInt8]) throws {
    let network = Network.libp2p
    // Readers see to it that lines are UTF-8.
    guard line.withUnsafeBufferPointer({ $0.isUTF8 }), let record = try? parsed(line, network),
        let once = try written(record, network)
    else { return }
    let again: NativeRecord
    do {
        again = try parsed(Array(once.dropLast()), network)
    } catch {
        throw Broken(description: "a line that was written cannot be read: \(error)")
    }
    // Records of all kinds have nothing in common but their parts.
    try Broken.unless(String(reflecting: again) == String(reflecting: record), "a record changes on its way")
    try Broken.unless(try written(again, network) == once, "a line changes when it is written again")
}

private func parsed(_ line: [UInt8], _ network: Network) throws -> NativeRecord {
    try line.withUnsafeBufferPointer { (line) throws(RejectionReason) in
        try NativeParser(network: network).record(line)
    }
}

/// The record's line; nil for a peer whose key is not its id's, which is refused behind the parser.
private func written(_ record: NativeRecord, _ network: Network) throws -> [UInt8]? {
    var output: [UInt8] = []
    let writer = NativeWriter(ExportContext(network: network, scope: .public, clock: nil))
    func peer(_ id: PeerID, _ key: Key) throws -> Peer? {
        guard try network.key(of: id) == key else { return nil }
        return Peer(id: id, key: key)
    }
    switch record {
    case .header(let header):
        NativeWriter(ExportContext(network: header.network, scope: header.scope, clock: header.clock)).begin(&output)
    case .peer(let native):
        guard let peer = try peer(native.id, native.key) else { return nil }
        writer.append(native.record(peer), to: &output)
    case .candidate(let candidate): writer.append(candidate, to: &output)
    case .tombstone(let tombstone): writer.append(tombstone, to: &output)
    case .identity(let number, let id, let key, let label, let createdAt):
        guard let peer = try peer(id, key) else { return nil }
        writer.append(Identity(number: number, peer: peer, label: label, createdAt: createdAt), to: &output)
    case .bucket(let bucket, let number):
        let id = FuzzSeeds.id
        guard let peer = try peer(id, network.key(of: id)) else { return nil }
        let identity = Identity(number: number, peer: peer, label: "", createdAt: Instant(milliseconds: 0))
        writer.append(bucket, identity: identity, to: &output)
    case .held(let held): writer.append(held, to: &output)
    case .witnesses(let witnesses, let canaryAt):
        // Nothing at all has no line.
        guard !witnesses.isEmpty || canaryAt != nil else { return nil }
        writer.append(witnesses, canaryAt: canaryAt, to: &output)
    case .session(let session): writer.append(session, to: &output)
    case .lookup(let summary): writer.append(LookupHistory(recent: [summary]), to: &output)
    case .lookupTotals(let totals): writer.append(LookupHistory(totals: [totals]), to: &output)
    case .footer: return nil
    }
    return output
}
