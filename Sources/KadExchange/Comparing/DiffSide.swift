import KadStore
import Kademlia
import Multiformats

/// One of two things that are compared.
public enum DiffSide: Sendable {
    case store(Store)
    case file(ImportSource)

    /// What messages call it.
    public var name: String {
        switch self {
        case .store(let store): store.path
        case .file(let source): source.name
        }
    }

    /// The network that it states; nil when it may be any.
    public var network: Network? {
        switch self {
        case .store(let store): store.network
        case .file(let source): source.network
        }
    }

    func carries(_ network: Network) -> Bool {
        switch self {
        case .store(let store): store.network == network
        case .file(let source): source.format.carries(network)
        }
    }
}

/// What was found on one side.
public struct DiffSideReport: Hashable, Sendable {
    public let name: String
    /// Nil for a store.
    public let format: ExchangeFormat?
    public internal(set) var peers = 0
    public internal(set) var candidates = 0
    /// The fields that it carries.
    public internal(set) var fields = PeerFields()
    /// Records of a file that could not be used, and records of a store that are damaged: they were not compared.
    public internal(set) var unread = 0
    /// The first records of a file that could not be used.
    public internal(set) var rejections: [Rejection] = []
    /// What ended the reading of a file early.
    public internal(set) var fault: ImportFault?

    /// Whether all of it was compared.
    public var isComplete: Bool { unread == 0 && fault == nil }

    mutating func reject(_ rejection: Rejection) {
        unread += 1
        guard rejections.count < 20 else { return }
        var shown = rejection
        shown.bytes = nil
        rejections.append(shown)
    }
}

/// A side as its records go by, in key order.
struct DiffStream {
    var report: DiffSideReport
    private let pages: any RecordPages
    private var peers: ArraySlice<PeerRecord> = []
    private var candidates: ArraySlice<Candidate> = []
    private var isAtEnd = false
    private var isAtCandidatesEnd = false

    init(_ report: DiffSideReport, _ pages: any RecordPages) {
        self.report = report
        self.pages = pages
    }

    /// The next peer, which stays the next.
    mutating func peer() throws(ExchangeError) -> PeerRecord? {
        while peers.isEmpty, !isAtEnd {
            guard let page = try pages.nextPeers() else {
                isAtEnd = true
                break
            }
            report.peers += page.records.count
            report.unread += page.damaged
            peers = page.records[...]
        }
        return peers.first
    }

    mutating func dropPeer() { peers.removeFirst() }

    /// The next candidate, which stays the next. After all peers.
    mutating func candidate() throws(ExchangeError) -> Candidate? {
        while candidates.isEmpty, !isAtCandidatesEnd {
            guard let page = try pages.nextCandidates() else {
                isAtCandidatesEnd = true
                break
            }
            report.candidates += page.records.count
            report.unread += page.damaged
            candidates = page.records[...]
        }
        return candidates.first
    }

    mutating func dropCandidate() { candidates.removeFirst() }
}

extension DiffSide {
    /// Reads a file and sorts it; a store is read as it is compared.
    func stream(
        _ network: Network, _ options: DiffOptions, _ cancellation: Cancellation
    ) throws(ExchangeError) -> DiffStream {
        switch self {
        case .store(let store):
            var report = DiffSideReport(name: name, format: nil)
            report.fields = .all
            return DiffStream(report, StorePages(store, filter: options.filter))
        case .file(let source) where source.format == .native:
            var report = DiffSideReport(name: name, format: .native)
            report.fields = .all
            let pages = try NativePages(source, network, options, &report, cancellation)
            return DiffStream(report, pages)
        case .file(let source): return try foreignStream(source, network, options, cancellation)
        }
    }

    /// A file of another program as an import into an empty store would take it, with addresses of every scope and with
    /// its history.
    private func foreignStream(
        _ source: ImportSource, _ network: Network, _ options: DiffOptions, _ cancellation: Cancellation
    ) throws(ExchangeError) -> DiffStream {
        var input = ImportOptions(now: options.now)
        input.trustsHistory = true
        input.allowsUnroutable = true
        input.filter = options.filter
        input.onProgress = options.onProgress
        let records = RecordSorter(network: network, options: BulkOptions(input))
        let policy = ImportPolicy(network: network, scope: .private, own: [], options: input, name: source.name)
        var fields = PeerFields.addresses
        var run = try ImportRun(source, network, policy, input, into: records, cancellation)
        run.onTaken = { fields.formUnion(PeerFields(statedBy: $0)) }
        let read = try run.read()
        var report = DiffSideReport(name: source.name, format: source.format)
        report.fields = fields
        if read.hasCandidates { report.fields.insert(.candidates) }
        report.unread = read.rejectedCount
        report.rejections = read.rejections
        report.fault = read.fault
        return DiffStream(report, SortedPages(records))
    }
}
