extension WarmStart {
    /// Why a peer is asked at all, and which go first.
    public enum Tier: Int, Comparable, Hashable, Sendable, CaseIterable {
        /// It answered shortly before the node stopped: the most likely to live.
        case anchor
        /// Each bucket is asked, whoever is newest.
        case coverage
        /// Drawn by weight from all that is known.
        case seed
        /// The rest of the restored table.
        case member

        public static func < (left: Tier, right: Tier) -> Bool { left.rawValue < right.rawValue }

        /// The name on the command line.
        public var name: String {
            switch self {
            case .anchor: "anchor"
            case .coverage: "coverage"
            case .seed: "seed"
            case .member: "member"
            }
        }
    }

    /// One line of the plan.
    public struct Probe: Hashable, Sendable {
        public let key: Key
        public let group: NetworkGroup?
        public let bucket: Int
        public let tier: Tier
        /// Not before this; later, when the pacer has no token or the peer's lane no room.
        public let due: Uptime
        public let reason: Reason
    }

    /// What speaks for the probe; its description is for people.
    public enum Reason: Hashable, Sendable, CustomStringConvertible {
        /// It answered so many milliseconds before the node's last sign of life.
        case answeredLately(milliseconds: Int64)
        /// The fairest choice of its bucket, in this round.
        case covers(bucket: Int, round: Int)
        /// Drawn by weight among those known for long, and seen on so many of 32 days.
        case longHistory(days: Int)
        /// Drawn by weight.
        case drawn
        /// Live in the restored table.
        case member
        /// In the table, or the one choice of its bucket, but of a network group or a source that has its share: asked
        /// after all others.
        case beyondQuota

        public var description: String {
            switch self {
            case .answeredLately(let milliseconds): "answered \(milliseconds / 60_000) min before the node stopped"
            case .covers(let bucket, let round): "covers bucket \(bucket), round \(round + 1)"
            case .longHistory(let days): "drawn by weight, known for long, seen on \(days) of 32 days"
            case .drawn: "drawn by weight"
            case .member: "in the table"
            case .beyondQuota: "its network or source has its share: asked last"
            }
        }
    }
}
