import Kademlia

/// What a crawl found of a peer.
public enum VisitOutcome: Hashable, Sendable {
    case answered
    case failed(FailureClass)
    /// It was not asked: no address to dial, or its history speaks against it.
    case leftOut
}

extension VisitOutcome {
    /// The number in the file; never reused. 0 answered, 1 to 254 the failure's class, 255 left out.
    var number: Int64 {
        switch self {
        case .answered: 0
        case .failed(let failureClass): Int64(failureClass.rawValue)
        case .leftOut: 255
        }
    }

    init?(number: Int64) {
        switch number {
        case 0: self = .answered
        case 255: self = .leftOut
        default:
            guard let raw = UInt8(exactly: number), let failureClass = FailureClass(rawValue: raw) else { return nil }
            self = .failed(failureClass)
        }
    }
}

/// A walk over a whole network.
public struct Crawl: Hashable, Sendable {
    public let number: Int64
    public var startedAt: Instant
    /// Nil while it is under way, in whatever process, or waits to be gone on with.
    public var endedAt: Instant?
    /// Whether it ended because nobody was left to visit.
    public var isComplete: Bool
    /// Peers by what was found of them.
    public var peers: [VisitOutcome: Int]

    init(
        number: Int64, startedAt: Instant, endedAt: Instant? = nil, isComplete: Bool = false,
        peers: [VisitOutcome: Int] = [:]
    ) {
        self.number = number
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.isComplete = isComplete
        self.peers = peers
    }

    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Under way, or waiting to be gone on with.
        case running
        /// Ended because nobody was left to visit.
        case complete
        /// Ended before.
        case stopped
    }

    public var state: State { endedAt == nil ? .running : isComplete ? .complete : .stopped }

    /// Peers that it is done with.
    public var visited: Int { peers.values.reduce(0) { $0.addingSaturated($1) } }
    public var answered: Int { peers[.answered] ?? 0 }
    public var leftOut: Int { peers[.leftOut] ?? 0 }
    public var failed: Int {
        FailureClass.allCases.reduce(0) { $0.addingSaturated(peers[.failed($1)] ?? 0) }
    }

    /// The most crawls that are kept; the oldest go first.
    public static let maximumCount = 256
}
