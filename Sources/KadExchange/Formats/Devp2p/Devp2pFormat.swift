import KadStore
import Kademlia
import Multiformats

/// The node set of geth's `devp2p` tool, as its crawlers keep it (go-ethereum, `cmd/devp2p/nodeset.go`).
///
///     {"<node id in hexadecimal>": {"seq", "record": "enr:…", "score", "firstResponse", "lastResponse", "lastCheck"}}
///
/// How a node is taken:
/// - The id is the member's name. That it is the hash of the key which signed the record is not checked.
/// - `firstResponse` is when it was first seen, `lastResponse` when it was last seen and, where history is trusted, when it
///   last answered. Go writes year 1 for a time that is not known.
/// - `score` grows by one with every answer and is halved by a check without: there were no fewer answers, so many count
///   where history is trusted.
/// - `lastCheck` after `lastResponse` is a request without answer: a timeout then.
enum Devp2pFormat: FormatCodec {
    static var summary: String { "nodes.json of geth's devp2p tool" }
    static var networks: [Network]? { [.devp2p] }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        guard sample.first == UInt8(ascii: "{") else { return .no }
        var reader = JSONReader(sample.bytes.part(1..<sample.bytes.count))
        guard let name = try? reader.name(), reader.next == UInt8(ascii: "{"), (try? id(name)) != nil else {
            return .no
        }
        return .yes()
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { Devp2pReader(input) }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { Devp2pWriter() }

    /// A node's id: 32 bytes in hexadecimal, with or without `0x`.
    static func id(_ text: JSONReader.Text) throws(RejectionReason) -> PeerID {
        try text.withUTF8 { (utf8) throws(RejectionReason) in
            let digits = utf8.starts(with: Array("0x".utf8)) ? utf8.part(2..<utf8.count) : utf8
            let id = try PeerID(text: digits, .hex)
            guard id.bytes.count == Network.devp2p.keyByteCount else {
                throw .foreignID("a node id has \(Network.devp2p.keyByteCount) bytes, this one \(id.bytes.count)")
            }
            return id
        }
    }
}

private final class Devp2pReader: FormatReader {
    private var records: JSONRecords
    private var notes: [ImportNote] = []

    init(_ input: ByteInput) { records = JSONRecords(input, .members) }

    func next() throws(ExchangeError) -> ImportItem? {
        if let note = notes.popLast() { return .note(note) }
        return try records.next { (text, place) throws(RejectionReason) in
            let node = try Node(text)
            if node.unreadable > 0 { notes.append(.unreadableAddress) }
            return .peer(node.peer, key: nil, at: place)
        }
    }
}

/// One member of the set.
private struct Node {
    let id: PeerID
    var addresses: [Multiaddr] = []
    var unreadable = 0
    var score: Int64 = 0
    var firstResponse: Instant?
    var lastResponse: Instant?
    var lastCheck: Instant?

    init(_ text: UnsafeBufferPointer<UInt8>) throws(RejectionReason) {
        var reader = JSONReader(text)
        var node = Node(id: try Devp2pFormat.id(try reader.name()))
        try reader.members("the node") { (name, reader) throws(RejectionReason) in try node.take(name, &reader) }
        try reader.finish()
        self = node
    }

    private init(id: PeerID) { self.id = id }

    private mutating func take(_ name: JSONReader.Text, _ reader: inout JSONReader) throws(RejectionReason) {
        if try reader.takeNull() { return }
        if name.equals("record") {
            let record = try reader.text("record").withUTF8 { (utf8) throws(RejectionReason) in
                do throws(NodeRecordError) {
                    return try NodeRecord(text: utf8)
                } catch {
                    throw .nodeRecord(error)
                }
            }
            addresses = record.addresses + addresses.filter { !record.addresses.contains($0) }
        } else if name.equals("addresses") {
            unreadable += try reader.addresses("addresses", into: &addresses)
        } else if name.equals("score") {
            score = try reader.number("score")
        } else if name.equals("firstResponse") {
            firstResponse = try Self.stamp("firstResponse", &reader)
        } else if name.equals("lastResponse") {
            lastResponse = try Self.stamp("lastResponse", &reader)
        } else if name.equals("lastCheck") {
            lastCheck = try Self.stamp("lastCheck", &reader)
        } else {
            try reader.skip()
        }
    }

    var peer: ImportedPeer {
        var peer = ImportedPeer(id: id, addresses: addresses.map(ImportedPeer.Address.init))
        peer.firstSeen = firstResponse ?? lastResponse
        peer.lastSeen = lastResponse ?? firstResponse
        peer.lastOK = lastResponse
        if lastResponse != nil { peer.successes = Int(max(0, score)) }
        if let lastCheck, lastCheck > lastResponse ?? Instant(milliseconds: .min) {
            peer.failures = [
                FailureRecord(address: nil, failureClass: .timeout, count: 1, firstAt: lastCheck, lastAt: lastCheck)
            ]
        }
        return peer
    }

    private static func stamp(_ name: String, _ reader: inout JSONReader) throws(RejectionReason) -> Instant? {
        let stamp = try reader.stamp(name)
        return stamp == zero ? nil : stamp
    }

    /// Go's zero time, 0001-01-01T00:00:00Z.
    private static let zero = Instant(milliseconds: -62_135_596_800_000)
}
