import KadStore
import Multiformats

/// Kubo's `ipfs swarm addrs`: all addresses that a node knows, as text or with `--enc=json` (Kubo,
/// `core/commands/swarm.go`).
///
///     <id> (<number of addresses>)
///     <tab><address>
///     {"Addrs": {"<id>": ["<address>", …]}}
enum SwarmAddrsFormat: FormatCodec {
    static var summary: String { "what 'ipfs swarm addrs' prints, as text or JSON (--enc=json)" }
    static var networks: [Network]? { [.libp2p] }

    static func recognise(_ sample: FileSample) -> Recognition {
        isText(sample) || isDocument(sample) ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        let sample = FileSample(input.window, isWhole: false)
        return sample.first == UInt8(ascii: "{") ? SwarmAddrsDocumentReader(input) : SwarmAddrsTextReader(input)
    }

    static func isText(_ sample: FileSample) -> Bool {
        SwarmAddrsTextReader.heading(sample.firstLine).map { (try? PeerID(text: $0, .libp2p)) != nil } ?? false
    }

    private static func isDocument(_ sample: FileSample) -> Bool {
        guard sample.first == UInt8(ascii: "{") else { return false }
        var verdict = false
        var reader = JSONReader(sample.bytes)
        // The end of the sample may cut the document anywhere: what was seen until then counts.
        try? reader.object { (name, reader) throws(RejectionReason) in
            if name.equals("Addrs") { verdict = reader.next == UInt8(ascii: "{") || reader.next == UInt8(ascii: "n") }
            try reader.skip()
        }
        return verdict
    }
}

/// The text.
final class SwarmAddrsTextReader: FormatReader {
    private var lines: LineReader
    private var open: (peer: ImportedPeer, place: Place, unreadable: Int)?
    /// Whether the addresses that follow are of a peer that was rejected.
    private var isRejected = false
    private var ready: [ImportItem] = []

    init(_ input: ByteInput) { lines = LineReader(input) }

    func next() throws(ExchangeError) -> ImportItem? {
        while true {
            if !ready.isEmpty { return ready.removeFirst() }
            guard let line = try lines.next() else { break }
            take(line)
        }
        finish()
        return ready.isEmpty ? nil : ready.removeFirst()
    }

    private func take(_ line: LineReader.Line) {
        let place = Place.line(lines.number)
        if let problem = line.problem {
            // It may have been a heading: the addresses below it are nobody's that is known.
            if line.raw.first != 0x09 {
                finish()
                isRejected = true
            }
            return ready.append(.rejected(Rejection(place: place, reason: problem)))
        }
        let text = line.text.trimmed
        if text.isEmpty { return }
        do throws(RejectionReason) {
            if line.text.first == 0x09 {
                if !isRejected { try takeAddress(text) }
                return
            }
            finish()
            isRejected = true
            guard let id = Self.heading(text) else {
                throw .wrongType("the line", expected: "an id and a number, nor an address behind a tab")
            }
            open = (ImportedPeer(id: try PeerID(text: id, .libp2p)), place, 0)
            isRejected = false
        } catch {
            ready.append(.rejected(Rejection(place: place, reason: error, text: text)))
        }
    }

    private func takeAddress(_ text: UnsafeBufferPointer<UInt8>) throws(RejectionReason) {
        guard let count = open?.peer.addresses.count else { throw .missing("peer id") }
        guard count < JSONReader.listLimit else { return }
        guard let address = try? Multiaddr(utf8: text) else {
            open?.unreadable += 1
            return
        }
        open?.peer.addresses.append(ImportedPeer.Address(address))
    }

    private func finish() {
        guard let (peer, place, unreadable) = open else { return }
        open = nil
        ready.append(.peer(peer, key: nil, at: place))
        if unreadable > 0 { ready.append(.note(.unreadableAddress)) }
    }

    /// The id in `<id> (<number>)`; nil for another line.
    static func heading(_ line: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard let blank = line.offset(of: 0x20, from: 0), blank > 0, line.last == UInt8(ascii: ")"),
            blank + 2 < line.count - 1, line[blank + 1] == UInt8(ascii: "("),
            line.part((blank + 2)..<(line.count - 1)).allSatisfy({ $0 &- UInt8(ascii: "0") < 10 })
        else { return nil }
        return line.part(0..<blank)
    }
}

/// The JSON document.
final class SwarmAddrsDocumentReader: FormatReader {
    private var records: JSONRecords
    private var notes: [ImportNote] = []

    init(_ input: ByteInput) { records = JSONRecords(input, .members, of: "Addrs") }

    func next() throws(ExchangeError) -> ImportItem? {
        if let note = notes.popLast() { return .note(note) }
        return try records.next { (text, place) throws(RejectionReason) in
            var reader = JSONReader(text)
            let id = try reader.name().withUTF8 { (utf8) throws(RejectionReason) in try PeerID(text: utf8, .libp2p) }
            var addresses: [Multiaddr] = []
            if try reader.addresses("Addrs", into: &addresses) > 0 { notes.append(.unreadableAddress) }
            try reader.finish()
            return .peer(ImportedPeer(id: id, addresses: addresses.map(ImportedPeer.Address.init)), key: nil, at: place)
        }
    }
}
