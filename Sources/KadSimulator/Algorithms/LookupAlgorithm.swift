import Kademlia

/// A way to look up the k peers nearest to a target, as a pure value: it is told what was answered, and says whom to ask.
///
/// What the simulator compares the engine with. Each one follows its source, named at the type; where it deviates, it is
/// to its advantage, and the type says so.
public protocol LookupAlgorithm: Sendable {
    /// - Parameters:
    ///   - seeds: the peers to begin with, in any order.
    ///   - localKey: the own key, which others may name.
    ///   - alpha: requests at a time.
    ///   - k: peers wanted.
    init(target: Key, localKey: Key, seeds: [Key], alpha: Int, k: Int)

    /// How many of the asker's contacts it begins with, the nearest.
    static func seedCount(k: Int) -> Int

    /// Whom to ask first. Called once.
    mutating func start() -> [Key]

    /// A peer answered. - Returns: whom to ask now.
    mutating func answered(_ peer: Key, naming peers: [Key]) -> [Key]

    /// A peer did not answer in time. - Returns: whom to ask now.
    mutating func failed(_ peer: Key) -> [Key]

    /// Requests that are still under way do not matter any more.
    var isFinished: Bool { get }

    /// What is returned to the caller, nearest first.
    var result: [Key] { get }

    /// What it cost.
    var work: LookupWork { get }
}

extension LookupAlgorithm {
    public static func seedCount(k: Int) -> Int { k }
}

/// What a lookup cost, apart from time.
public struct LookupWork: Hashable, Sendable {
    /// Requests sent.
    public var queries = 0
    /// Requests that failed while the lookup waited for them.
    public var timeouts = 0
    /// Distances computed: the measure of CPU work that all algorithms share.
    public var distances = 0
    /// The most candidates that were held at a time.
    public var peakCandidates = 0

    public init() {}
}
