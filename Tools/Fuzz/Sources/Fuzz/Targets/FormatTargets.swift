import Kademlia
import Multiformats

@testable import KadExchange
@testable import KadStore

/// Text and binary forms of addresses and ids, and lines of our own format.
let formatTargets = [
    FuzzTarget(name: "multiaddr", seeds: addressSeeds, run: readAddress),
    FuzzTarget(name: "peer-id", seeds: idSeeds, run: readID),
    FuzzTarget(name: "native-line", seeds: nativeSeeds, run: rewriteLine),
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
