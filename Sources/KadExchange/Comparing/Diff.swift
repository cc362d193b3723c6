import KadStore
import Kademlia
import Multiformats

/// What is compared, and how.
public struct DiffOptions: Sendable {
    /// The network of the peers; nil for the one that the sides state.
    public var network: Network?
    /// Which peers, on either side. With anything but ``PeerFilter/all`` candidates are not compared.
    public var filter = PeerFilter.all
    /// Fields that do not count.
    public var ignored = PeerFields()
    /// The time of the comparison.
    public var now: Instant
    /// Told how far the reading of a file is.
    public var onProgress: (@Sendable (ImportProgress) -> Void)?

    public init(now: Instant = .systemClock()) { self.now = now }
}

/// Something that one side has and the other has not, or has otherwise.
public enum Difference: Hashable, Sendable {
    case onlyInFirst(PeerRecord)
    case onlyInSecond(PeerRecord)
    case changed(PeerRecord, PeerRecord, PeerFields)
    case candidateOnlyInFirst(Candidate)
    case candidateOnlyInSecond(Candidate)
    case candidateChanged(Candidate, Candidate)
}

/// How two sides differ.
public struct DiffReport: Hashable, Sendable {
    public struct Counts: Hashable, Sendable {
        public internal(set) var onlyInFirst = 0
        public internal(set) var onlyInSecond = 0
        public internal(set) var changed = 0
        public internal(set) var same = 0

        public var isSame: Bool { onlyInFirst == 0 && onlyInSecond == 0 && changed == 0 }
    }

    public let network: Network
    public internal(set) var first: DiffSideReport
    public internal(set) var second: DiffSideReport
    /// What was compared: what both sides carry and nobody ignores.
    public let compared: PeerFields
    public internal(set) var peers = Counts()
    public internal(set) var candidates = Counts()
    /// Peers that differ, by single field.
    public internal(set) var changes: [PeerFields: Int] = [:]

    public var isSame: Bool { peers.isSame && candidates.isSame }
    /// Whether all of both sides was compared.
    public var isComplete: Bool { first.isComplete && second.isComplete }
}

extension Exchange {
    /// Compares two stores or files: one pass along both, peers by key, then candidates by address.
    ///
    /// What counts is what both sides carry: a store and a native file carry every field, another file those that any of
    /// its records states, so a list of addresses is compared by ids and addresses alone. Addresses count as sets.
    /// Identities, buckets, tombstones and what else a store remembers of itself are not compared.
    ///
    /// Files are sorted outside of memory: peak memory depends neither on them nor on the stores.
    ///
    /// - Parameter onDifference: told of each difference, in order, on the thread that compares.
    /// - Throws: ``ExchangeError``: sides of different networks, a file or store that cannot be read, cancelled.
    public static func diff(
        _ first: DiffSide, _ second: DiffSide, _ options: DiffOptions = DiffOptions(),
        onDifference: @escaping @Sendable (Difference) -> Void = { _ in }
    ) async throws(ExchangeError) -> DiffReport {
        let network = try network(of: first, second, options)
        return try await withOwnThread { cancellation throws(ExchangeError) in
            let left = try first.stream(network, options, cancellation)
            let right = try second.stream(network, options, cancellation)
            var run = DiffRun(left, right, network, options, cancellation, onDifference)
            return try run.compare()
        }
    }

    private static func network(
        of first: DiffSide, _ second: DiffSide, _ options: DiffOptions
    ) throws(ExchangeError) -> Network {
        let stated = [first, second].first { $0.network != nil }
        guard let network = options.network ?? stated?.network else {
            throw .networkNotStated(name: first.name)
        }
        for side in [first, second] {
            if let own = side.network, own != network {
                throw .differentNetworks(
                    name: side.name, network: own.exchangeDescription,
                    other: options.network == nil ? stated?.name ?? "" : "--network",
                    otherNetwork: network.exchangeDescription)
            }
            if case .file(let source) = side, !side.carries(network) {
                throw .networkNotCarried(format: source.format, network: network.name)
            }
        }
        return network
    }
}

/// One pass along two sides.
private struct DiffRun {
    private var first: DiffStream
    private var second: DiffStream
    private var report: DiffReport
    private let unknown: Instant
    private let filter: PeerFilter
    private let cancellation: Cancellation
    private let onDifference: (Difference) -> Void
    private var steps = 0

    init(
        _ first: DiffStream, _ second: DiffStream, _ network: Network, _ options: DiffOptions,
        _ cancellation: Cancellation, _ onDifference: @escaping (Difference) -> Void
    ) {
        self.first = first
        self.second = second
        self.cancellation = cancellation
        self.onDifference = onDifference
        unknown = options.now
        filter = options.filter
        var compared = first.report.fields.intersection(second.report.fields).subtracting(options.ignored)
        if filter != .all { compared.subtract([.candidates, .candidateHistory]) }
        if !compared.contains(.candidates) { compared.remove(.candidateHistory) }
        report = DiffReport(network: network, first: first.report, second: second.report, compared: compared)
    }

    mutating func compare() throws(ExchangeError) -> DiffReport {
        while true {
            try step()
            switch (try first.peer(), try second.peer()) {
            case (nil, nil):
                if report.compared.contains(.candidates) { try compareCandidates() }
                report.first = first.report
                report.second = second.report
                return report
            case (let left?, let right?) where left.key == right.key:
                first.dropPeer()
                second.dropPeer()
                compare(left, right)
            case (let left?, let right) where right.map { left.key < $0.key } ?? true:
                first.dropPeer()
                report.peers.onlyInFirst += 1
                onDifference(.onlyInFirst(left))
            case (_, let right?):
                second.dropPeer()
                report.peers.onlyInSecond += 1
                onDifference(.onlyInSecond(right))
            case (_?, nil): return report
            }
        }
    }

    private mutating func compare(_ left: PeerRecord, _ right: PeerRecord) {
        let fields = PeerFields.differing(left, right, in: report.compared, unknown: unknown)
        guard !fields.isEmpty else {
            report.peers.same += 1
            return
        }
        report.peers.changed += 1
        for (_, field) in PeerFields.names where fields.contains(field) { report.changes[field, default: 0] += 1 }
        onDifference(.changed(left, right, fields))
    }

    private mutating func compareCandidates() throws(ExchangeError) {
        while true {
            try step()
            switch (try first.candidate(), try second.candidate()) {
            case (nil, nil): return
            case (let left?, let right?) where left.address == right.address:
                first.dropCandidate()
                second.dropCandidate()
                if report.compared.contains(.candidateHistory), left != right {
                    report.candidates.changed += 1
                    onDifference(.candidateChanged(left, right))
                } else {
                    report.candidates.same += 1
                }
            case (let left?, let right) where right.map { left.address < $0.address } ?? true:
                first.dropCandidate()
                report.candidates.onlyInFirst += 1
                onDifference(.candidateOnlyInFirst(left))
            case (_, let right?):
                second.dropCandidate()
                report.candidates.onlyInSecond += 1
                onDifference(.candidateOnlyInSecond(right))
            case (_?, nil): return
            }
        }
    }

    private mutating func step() throws(ExchangeError) {
        steps += 1
        if steps.isMultiple(of: 4_096) { try cancellation.check() }
    }
}
