import Kademlia
import Multiformats

/// Any number of foreign records in bounded memory, sorted by key, those of one peer brought together.
///
/// First everything is added, then everything is taken, in order: by ``nextPeers(limit:)`` and ``nextCandidates(limit:)``,
/// or by a store (``Store/load(_:progress:)``). Needs no store, and is used by one task at a time.
public final class RecordSorter {
    public let network: Network
    public let options: BulkOptions
    /// Records that have been taken.
    public internal(set) var done = 0

    private let peers: RunSorter
    private let candidates: RunSorter
    private var codec = ImportedPeerCodec()
    private var head: RunRecord?
    private var candidateHead: RunRecord?
    private var isReading = false

    public init(network: Network, options: BulkOptions) {
        self.network = network
        self.options = options
        peers = RunSorter(memoryLimit: options.memoryLimit)
        candidates = RunSorter(memoryLimit: options.memoryLimit / 4)
    }

    /// Takes in a record. The id is hashed here, once for each record.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` when the id is none of the network; ``StoreError/diskFull(path:)``
    ///   and the like from temporary files.
    public func add(_ peer: ImportedPeer) throws(StoreError) {
        let key = try network.key(of: peer.id)
        try peers.add(
            keyCount: Key.byteCount, { bytes in key.withBytes { bytes.append(contentsOf: $0) } },
            payload: { codec.append(peer, to: &$0) })
    }

    /// Takes in an address without an id.
    public func add(_ candidate: Candidate) throws(StoreError) {
        try candidates.add(
            keyCount: candidate.address.bytes.count, { $0.append(contentsOf: candidate.address.bytes) },
            payload: { bytes in
                ImportedPeerCodec.append(candidate.firstSeen.milliseconds, to: &bytes)
                ImportedPeerCodec.append(candidate.lastSeen.milliseconds, to: &bytes)
                ImportedPeerCodec.append(candidate.lastTried, to: &bytes)
                Varint.append(UInt64(clamping: candidate.tries), to: &bytes)
                Varint.append(UInt64(codec.number(of: candidate.source)), to: &bytes)
            })
    }

    /// Peers in key order, all records of each merged as a store would merge them; none at the end.
    public func nextPeers(limit: Int = 1_024) throws(StoreError) -> [PeerRecord] {
        try StoreError.mapping("a temporary file") {
            try start()
            var page: [PeerRecord] = []
            while page.count < limit, let key = try nextKey() { page.append(try takePeer(key, onto: nil)) }
            return page
        }
    }

    /// Candidates in the order of their addresses, each once; none at the end.
    public func nextCandidates(limit: Int = 1_024) throws(StoreError) -> [Candidate] {
        try StoreError.mapping("a temporary file") {
            try start()
            var page: [Candidate] = []
            while page.count < limit, let address = try nextAddress() {
                page.append(try takeCandidate(address, onto: nil))
            }
            return page
        }
    }
}

extension RecordSorter {
    /// Goes from adding to taking.
    func start() throws(StoreError) {
        guard !isReading else { return }
        isReading = true
        head = try peers.next()
        candidateHead = try candidates.next()
    }

    var isAtEnd: Bool { head == nil && candidateHead == nil }

    /// The key of the next peer; nil when there are no more.
    func nextKey() throws -> Key? {
        guard let head else { return nil }
        guard let key = head.key.withUnsafeBytes({ Key(bytes: $0) }) else {
            throw StoreError.invalidRecord("a key of a run is damaged")
        }
        return key
    }

    /// Merges all records of the next peer, whose key is `key`.
    func takePeer(_ key: Key, onto stored: PeerRecord?) throws -> PeerRecord {
        guard let first = head else { throw PayloadReader.damaged }
        var merged = stored
        var next: RunRecord? = first
        while let entry = next, entry.hasKey(of: first) {
            let foreign = try codec.read(entry.payload)
            var record: PeerRecord
            if let merged {
                record = merged
            } else {
                let firstSeen = foreign.firstSeen ?? foreign.lastSeen ?? options.now
                record = PeerRecord(
                    peer: Peer(id: foreign.id, key: key), firstSeen: firstSeen, source: foreign.source)
            }
            record.merge(foreign, trustingHistory: options.trustsHistory)
            merged = record
            done += 1
            next = try peers.next()
        }
        head = next
        guard let merged else { throw PayloadReader.damaged }
        return merged
    }

    /// Passes over all records of the next peer.
    func skipPeer() throws {
        guard let first = head else { return }
        repeat {
            done += 1
            head = try peers.next()
        } while head?.hasKey(of: first) ?? false
    }

    /// The next candidate's address; nil when there are no more.
    func nextAddress() throws -> Multiaddr? { try candidateHead.map { try Multiaddr(bytes: $0.key) } }

    /// Merges all records of the next candidate, whose address is `address`.
    func takeCandidate(_ address: Multiaddr, onto stored: Candidate?) throws -> Candidate {
        guard let first = candidateHead else { throw PayloadReader.damaged }
        var merged = stored
        var next: RunRecord? = first
        while let entry = next, entry.hasKey(of: first) {
            var payload = PayloadReader(entry.payload)
            let firstSeen = Instant(milliseconds: try payload.integer())
            let lastSeen = Instant(milliseconds: try payload.integer())
            let lastTried = try payload.instant()
            let tries = Int(clamping: try payload.varint())
            let source = codec.source(Int(clamping: try payload.varint()))
            var candidate =
                merged
                ?? Candidate(address: address, firstSeen: firstSeen, lastSeen: lastSeen, source: source)
            // Stamps equal to the load's own time mean that the file has none: they tell nothing new.
            if stored == nil || lastSeen != options.now {
                candidate.firstSeen = min(candidate.firstSeen, firstSeen)
                candidate.lastSeen = max(candidate.lastSeen, lastSeen)
            }
            if options.trustsHistory {
                candidate.tries = max(candidate.tries, tries)
                if let lastTried { candidate.lastTried = max(candidate.lastTried ?? lastTried, lastTried) }
            }
            merged = candidate
            done += 1
            next = try candidates.next()
        }
        candidateHead = next
        guard let merged else { throw PayloadReader.damaged }
        return merged
    }
}
