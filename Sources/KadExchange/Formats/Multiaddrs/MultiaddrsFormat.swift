import KadStore
import Kademlia
import Multiformats

/// One multiaddr a line, `/…/p2p/<id>`; an address without an id is a candidate. Blank lines and lines that begin with `#`
/// are passed over; what else does not begin with `/` is skipped and reported, as ipfs-cluster's peerstore skips it.
enum MultiaddrsFormat: FormatCodec {
    static var summary: String {
        "multiaddrs, one a line (ipfs-cluster's peerstore, 'ipfs swarm peers' without options)"
    }
    static var networks: [Network]? { [.libp2p] }
    static var canExport: Bool { true }

    /// A file with a line that is an address, unless what it says of its addresses is more than this format reads.
    static func recognise(_ sample: FileSample) -> Recognition {
        guard sample.first != UInt8(ascii: "{"), sample.first != UInt8(ascii: "["),
            !SwarmPeersFormat.isAnnotated(sample), !SwarmAddrsFormat.isText(sample)
        else { return .no }
        // Names may hold commas: a row that begins with one reads like an address.
        if case .yes = CSVFormat.recognise(sample) { return .no }
        var verdict = Recognition.no
        sample.forEachLine { line in
            guard line.first == UInt8(ascii: "/"), (try? Multiaddr(utf8: line.trimmed)) != nil else { return true }
            verdict = .yes()
            return false
        }
        return verdict
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { MultiaddrLineReader(input) }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { MultiaddrWriter() }
}

private final class MultiaddrLineReader: FormatReader {
    private var lines: LineReader

    init(_ input: ByteInput) { lines = LineReader(input) }

    func record(limit: Int) -> [UInt8]? { lines.text(limit: limit) }

    func next() throws(ExchangeError) -> ImportItem? {
        while let line = try lines.next() {
            let place = Place.line(lines.number)
            if let problem = line.problem { return .rejected(Rejection(place: place, reason: problem)) }
            let text = line.text.trimmed
            if text.isEmpty || text.first == UInt8(ascii: "#") { continue }
            return ImportItem(address: text, at: place)
        }
        return nil
    }
}

extension ImportItem {
    /// What the text of an address stands for: a peer, a candidate, or nothing.
    init(address text: UnsafeBufferPointer<UInt8>, at place: Place) {
        guard text.first == UInt8(ascii: "/") else {
            self = .rejected(Rejection(place: place, reason: .notAnAddress, text: text))
            return
        }
        do throws(MultiaddrError) {
            let address = try Multiaddr(utf8: text)
            if let id = address.peerID {
                let plain = address.withoutPeerID.map { [ImportedPeer.Address($0)] } ?? []
                self = .peer(ImportedPeer(id: id, addresses: plain), key: nil, at: place)
            } else {
                self = .candidate(address, firstSeen: nil, lastSeen: nil, at: place)
            }
        } catch {
            self = .rejected(Rejection(place: place, reason: .address(error), text: text))
        }
    }
}

/// A line for each address of each peer, in the order to dial in; a peer without addresses is `/p2p/<id>`. Candidates
/// follow, without ids.
private final class MultiaddrWriter: FormatWriter {
    func append(_ peer: PeerRecord, to output: inout [UInt8]) {
        if peer.addresses.isEmpty { finish(peer, &output) }
        for entry in peer.addresses {
            entry.address.append(to: &output)
            finish(peer, &output)
        }
    }

    private func finish(_ peer: PeerRecord, _ output: inout [UInt8]) {
        output.append(contentsOf: "/p2p/".utf8)
        PeerIDEncoding.libp2p.append(peer.id, to: &output)
        output.append(UInt8(ascii: "\n"))
    }

    func append(_ candidate: Candidate, to output: inout [UInt8]) {
        candidate.address.append(to: &output)
        output.append(UInt8(ascii: "\n"))
    }
}
