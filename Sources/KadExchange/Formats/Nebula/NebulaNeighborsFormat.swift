import KadStore
import Kademlia
import Multiformats

/// Routing tables that the crawler nebula collected: a JSON object a line, with the peer that was asked (`PeerID`) and those
/// it told of (`NeighborIDs`). There are no addresses and no times in it: all of them are peers heard of. `ErrorBits`, which
/// says what buckets could not be fetched, is nobody's failure at an address, and not taken.
enum NebulaNeighborsFormat: FormatCodec {
    static var summary: String { "neighbours from the crawler nebula (*_neighbors.ndjson)" }
    static var networks: [Network]? { [.libp2p] }

    static func recognise(_ sample: FileSample) -> Recognition {
        sample.hasMembers("PeerID", "NeighborIDs") ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { NebulaNeighborsReader(input) }
}

private final class NebulaNeighborsReader: FormatReader {
    private var lines: LineReader
    /// What the last line held, in reverse.
    private var ready: [ImportItem] = []
    private var recent = RecentIDs()

    /// A routing table has no more: 256 buckets of 20.
    private static let neighborLimit = 5_120

    init(_ input: ByteInput) { lines = LineReader(input) }

    func next() throws(ExchangeError) -> ImportItem? {
        while ready.isEmpty {
            guard let line = try lines.next() else { return nil }
            let place = Place.line(lines.number)
            if let problem = line.problem { return .rejected(Rejection(place: place, reason: problem)) }
            if line.text.trimmed.isEmpty { continue }
            do throws(RejectionReason) {
                ready = try read(line.text, place).reversed()
            } catch {
                return .rejected(Rejection(place: place, reason: error, text: line.text))
            }
        }
        return ready.popLast()
    }

    private func read(_ line: UnsafeBufferPointer<UInt8>, _ place: Place) throws(RejectionReason) -> [ImportItem] {
        var items: [ImportItem] = []
        var sawPeer = false
        var neighbors = 0
        var reader = JSONReader(line)
        try reader.object { (name, reader) throws(RejectionReason) in
            if name.equals("PeerID") {
                sawPeer = true
                add(try reader.text("PeerID"), place, &items)
            } else if name.equals("NeighborIDs"), try !reader.takeNull() {
                try reader.forEach("NeighborIDs") { (reader) throws(RejectionReason) in
                    let text = try reader.text("NeighborIDs")
                    neighbors += 1
                    if neighbors <= Self.neighborLimit { add(text, place, &items) }
                }
            } else if !name.equals("NeighborIDs") {
                try reader.skip()
            }
        }
        try reader.finish()
        guard sawPeer else { throw .missing("PeerID") }
        if neighbors > Self.neighborLimit {
            let reason = RejectionReason.contradiction(
                "\(neighbors) neighbours are more than a routing table holds: the first \(Self.neighborLimit) were taken"
            )
            items.append(.rejected(Rejection(place: place, reason: reason)))
        }
        return items
    }

    private func add(_ text: JSONReader.Text, _ place: Place, _ items: inout [ImportItem]) {
        do throws(RejectionReason) {
            let id = try text.withUTF8 { (utf8) throws(RejectionReason) in try PeerID(text: utf8, .libp2p) }
            if recent.insert(id) { items.append(.peer(ImportedPeer(id: id), key: nil, at: place)) }
        } catch {
            items.append(.rejected(Rejection(place: place, reason: error, text: text.raw)))
        }
    }
}

/// Ids that were seen lately. A crawl names each peer some hundred times: most of them need not be handed on again.
///
/// Direct-mapped: a fixed number of places, the newest of each wins. Memory is bounded whatever a file holds.
private struct RecentIDs {
    private var places: [PeerID?] = Array(repeating: nil, count: 1 << 15)

    /// - Returns: whether the id is new, as far as is remembered.
    mutating func insert(_ id: PeerID) -> Bool {
        // FNV-1a, the same in every run: reports of the same file are the same.
        var hash: UInt32 = 0x811c_9dc5
        for byte in id.bytes { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let place = Int(hash ^ hash >> 16) % places.count
        guard places[place] != id else { return false }
        places[place] = id
        return true
    }
}
