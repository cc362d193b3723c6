import KadStore
import Kademlia
import Multiformats

/// Visits of the libp2p crawler nebula: a JSON object a line, with Go's field names.
///
/// A visit tells of a peer's addresses, its agent and protocols, and how dialling and crawling it went. The failure is
/// charged to the peer as a whole: nebula dials all addresses at once, and does not say which of them failed how.
/// `FilteredMaddrs`, which nebula took for private and did not dial, are not taken.
enum NebulaFormat: FormatCodec {
    static var summary: String { "visits of the crawler nebula (*_visits.ndjson)" }
    static var networks: [Network]? { [.libp2p] }

    static func recognise(_ sample: FileSample) -> Recognition {
        for mark: StaticString in ["Maddrs", "VisitStartedAt", "ConnectErrorStr"]
        where sample.hasMembers("PeerID", mark) {
            return .yes()
        }
        return .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { NebulaReader(input) }
}

private final class NebulaReader: FormatReader {
    private var lines: LineReader
    private var notes: [ImportNote] = []

    init(_ input: ByteInput) { lines = LineReader(input) }

    func record(limit: Int) -> [UInt8]? { lines.text(limit: limit) }

    func next() throws(ExchangeError) -> ImportItem? {
        if let note = notes.popLast() { return .note(note) }
        while let line = try lines.next() {
            let place = Place.line(lines.number)
            if let problem = line.problem { return .rejected(Rejection(place: place, reason: problem)) }
            if line.text.trimmed.isEmpty { continue }
            do throws(RejectionReason) {
                return .peer(try Visit(line.text).peer(&notes), key: nil, at: place)
            } catch {
                return .rejected(Rejection(place: place, reason: error, text: line.text))
            }
        }
        return nil
    }
}

/// One line, as far as it is read.
private struct Visit {
    var id: PeerID?
    var addresses: [Multiaddr] = []
    var connected: Multiaddr?
    var protocols: [String] = []
    var agent: String?
    var duration: Int64?
    var startedAt: Instant?
    var endedAt: Instant?
    var connectError = ""
    var crawlError = ""
    /// Addresses of protocols that are not known: left out.
    var unreadable = 0

    init(_ text: UnsafeBufferPointer<UInt8>) throws(RejectionReason) {
        var reader = JSONReader(text)
        var visit = Visit()
        try reader.object { (name, reader) throws(RejectionReason) in try visit.take(name, &reader) }
        try reader.finish()
        self = visit
    }

    private init() {}

    private mutating func take(_ name: JSONReader.Text, _ reader: inout JSONReader) throws(RejectionReason) {
        if try reader.takeNull() { return }
        if name.equals("PeerID") {
            id = try reader.peerID("PeerID", .libp2p)
        } else if name.equals("Maddrs") || name.equals("ListenMaddrs") {
            unreadable += try reader.addresses("Maddrs", into: &addresses)
        } else if name.equals("ConnectMaddr") {
            let text = try reader.text("ConnectMaddr")
            if !text.raw.isEmpty { connected = try text.address() }
        } else if name.equals("Protocols") {
            try reader.forEach("Protocols") { (reader) throws(RejectionReason) in
                let text = try reader.text("Protocols")
                if protocols.count < JSONReader.listLimit { protocols.append(try text.string()) }
            }
        } else if name.equals("AgentVersion") {
            let text = try reader.text("AgentVersion")
            agent = text.raw.isEmpty ? nil : try text.string()
        } else if name.equals("ConnectDuration") {
            duration = try reader.text("ConnectDuration").withUTF8 { GoDuration.microseconds($0) }
        } else if name.equals("VisitStartedAt") {
            startedAt = try reader.stamp("VisitStartedAt")
        } else if name.equals("VisitEndedAt") {
            endedAt = try reader.stamp("VisitEndedAt")
        } else if name.equals("ConnectErrorStr") {
            connectError = try reader.string("ConnectErrorStr")
        } else if name.equals("CrawlErrorStr") {
            crawlError = try reader.string("CrawlErrorStr")
        } else {
            try reader.skip()
        }
    }

    /// What the visit says of the peer.
    func peer(_ notes: inout [ImportNote]) throws(RejectionReason) -> ImportedPeer {
        guard let id else { throw .missing("PeerID") }
        if let startedAt, let endedAt, startedAt > endedAt {
            throw .contradiction("VisitStartedAt is after VisitEndedAt")
        }
        var peer = ImportedPeer(id: id, addresses: addresses.map(ImportedPeer.Address.init))
        peer.agent = agent
        peer.protocols = protocols
        peer.firstSeen = startedAt ?? endedAt
        peer.lastSeen = startedAt ?? endedAt
        let end = endedAt ?? startedAt
        if connectError.isEmpty {
            peer.lastSeen = end
            peer.lastOK = end
            peer.successes = end == nil ? 0 : 1
            if let duration, duration > 0 { peer.rtt = RTTEstimate(first: duration) }
            if let connected {
                let plain = connected.withoutPeerID ?? connected
                let index = peer.addresses.firstIndex { ($0.address.withoutPeerID ?? $0.address) == plain }
                if index == nil { peer.addresses.append(ImportedPeer.Address(connected)) }
                peer.addresses[index ?? peer.addresses.count - 1].lastOK = end
            }
        }
        if unreadable > 0 { notes.append(.unreadableAddress) }
        for (error, address) in [(connectError, nil), (crawlError, connected?.withoutPeerID)] where !error.isEmpty {
            switch NebulaFailures.meaning(of: error) {
            case .failure(let failureClass):
                guard let end else { break }
                peer.failures.append(
                    FailureRecord(address: address, failureClass: failureClass, count: 1, firstAt: end, lastAt: end))
            case .notDialled: notes.append(.notDialled(error))
            case nil: notes.append(.unknownFailure(Printable.text(error)))
            }
        }
        return peer
    }
}
