import KadStore
import Kademlia
import Multiformats

/// The peers and candidates of a native file, every field as it is, in key order. Their lines are sorted outside of memory,
/// and read again when it is their turn: a file that nobody has touched is in order already, but one cannot know.
final class NativePages: RecordPages {
    private let network: Network
    private let filter: PeerFilter
    private let parser: NativeParser
    private let peers = RunSorter(memoryLimit: 48 << 20)
    private let candidates = RunSorter(memoryLimit: 12 << 20)
    private var lastKey: Key?
    private var lastCandidate: Multiaddr?

    private static let pageCount = 1_024

    /// Reads the file.
    ///
    /// - Parameter report: takes what cannot be used: damaged lines, keys that are not the ids', records that are
    ///   there twice.
    init(
        _ source: ImportSource, _ network: Network, _ options: DiffOptions, _ report: inout DiffSideReport,
        _ cancellation: Cancellation
    ) throws(ExchangeError) {
        self.network = network
        filter = options.filter
        parser = NativeParser(network: network)
        let input = try source.take()
        input.cancellation = cancellation
        var lines = NativeLines(input, network: network)
        var count = 0
        reading: while true {
            switch try lines.next() {
            case .record(.peer(let peer)):
                guard (try? network.key(of: peer.id)) == peer.key else {
                    report.reject(Rejection(place: lines.place, reason: .wrongKey))
                    continue
                }
                try add(lines, to: peers, keyCount: Key.byteCount) { bytes in
                    peer.key.withBytes { bytes.append(contentsOf: $0) }
                }
            case .record(.candidate(let candidate)):
                let key = candidate.address.bytes
                try add(lines, to: candidates, keyCount: key.count) { $0.append(contentsOf: key) }
            case .record, .footer(nil): break
            case .bad(let reason, let excerpt):
                report.reject(Rejection(place: lines.place, reason: reason, excerpt: excerpt))
            case .footer(let reason?), .end(let reason?):
                report.fault = report.fault ?? ImportFault(place: lines.place, reason: reason)
                break reading
            case .end(nil): break reading
            }
            count += 1
            if count.isMultiple(of: 8_192) {
                try cancellation.check()
                options.onProgress?(.reading(records: count, bytes: input.offset, of: input.size))
            }
        }
    }

    private func add(
        _ lines: NativeLines, to sorter: RunSorter, keyCount: Int, _ key: (inout [UInt8]) -> Void
    ) throws(ExchangeError) {
        try ExchangeError.mapping { () throws(StoreError) in
            try sorter.add(keyCount: keyCount, key) { $0.append(contentsOf: lines.text() ?? []) }
        }
    }

    func nextPeers() throws(ExchangeError) -> RecordPage<PeerRecord>? {
        var page = RecordPage<PeerRecord>()
        var rows = 0
        while rows < Self.pageCount, let entry = try next(peers) {
            rows += 1
            guard case .peer(let peer)? = entry, peer.key != lastKey else {
                page.damaged += 1
                continue
            }
            lastKey = peer.key
            let record = peer.record(Peer(id: peer.id, key: peer.key))
            if filter.accepts(record) { page.records.append(record) }
        }
        return rows == 0 ? nil : page
    }

    func nextCandidates() throws(ExchangeError) -> RecordPage<Candidate>? {
        guard filter == .all else { return nil }
        var page = RecordPage<Candidate>()
        var rows = 0
        while rows < Self.pageCount, let entry = try next(candidates) {
            rows += 1
            guard case .candidate(let candidate)? = entry, candidate.address != lastCandidate else {
                page.damaged += 1
                continue
            }
            lastCandidate = candidate.address
            page.records.append(candidate)
        }
        return rows == 0 ? nil : page
    }

    /// The next line as a record; nil inside when a temporary file has changed under us.
    private func next(_ sorter: RunSorter) throws(ExchangeError) -> NativeRecord?? {
        let entry = try ExchangeError.mapping { () throws(StoreError) in try sorter.next() }
        guard let entry else { return nil }
        return entry.payload.withUnsafeBufferPointer { bytes in
            var line = bytes
            while let last = line.last, last == 0x0a || last == 0x0d { line = line.part(0..<(line.count - 1)) }
            return .some(try? parser.record(line))
        }
    }
}
