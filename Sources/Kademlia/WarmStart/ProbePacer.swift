/// How fast probes leave: a token bucket over all of them, and a limit on those under way to one part of the network.
///
/// The bucket keeps a restart from flooding the own uplink; the limit per lane keeps one operator's network, dead or
/// hostile, from holding more than its share of the probes that wait for an answer.
public struct ProbePacer: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// Tokens gained in a second. Ten: a table of 300 contacts is asked in half a minute, at a few kilobytes a second.
        public var perSecond: Int

        /// The most tokens that are saved up. Twenty: a whole bucket, or all anchors, may be asked at once.
        public var burst: Int

        /// The most probes under way in one lane. Two: a network that drops everything holds two slots, not the rest.
        public var perLane: Int

        /// Values are brought into 1...1,000 per second, 1...1,000,000 of burst, and at least one in a lane.
        public init(perSecond: Int = 10, burst: Int = 20, perLane: Int = 2) {
            self.perSecond = min(max(1, perSecond), 1000)
            self.burst = min(max(1, burst), 1_000_000)
            self.perLane = max(1, perLane)
        }
    }

    /// What shares a limit of probes under way: a network group, or a peer of which no group is known.
    public enum Lane: Hashable, Sendable {
        case group(NetworkGroup)
        case peer(Key)

        public init(_ key: Key, in group: NetworkGroup?) {
            self = group.map(Lane.group) ?? .peer(key)
        }
    }

    public let configuration: Configuration

    /// Thousandths of a token: `perSecond` of them are gained in a millisecond.
    private var milliTokens: Int64
    private var refilledAt: Uptime
    private var underWay: [Lane: Int] = [:]

    private static let token: Int64 = 1000

    /// A pacer whose bucket is full.
    public init(configuration: Configuration = Configuration(), at now: Uptime) {
        self.configuration = configuration
        milliTokens = Int64(configuration.burst) * Self.token
        refilledAt = now
    }

    /// The probes under way in all lanes. - Complexity: O(lanes in use)
    public var inFlight: Int { underWay.values.reduce(0, +) }

    /// Whether the lane has room for one more probe.
    public func hasRoom(in lane: Lane) -> Bool { underWay[lane, default: 0] < configuration.perLane }

    /// When the next token is there: a moment in the past when there is one already.
    public var nextToken: Uptime {
        let missing = max(0, Self.token - milliTokens)
        let perMillisecond = Int64(configuration.perSecond)
        return refilledAt.advanced(byMilliseconds: (missing + perMillisecond - 1) / perMillisecond)
    }

    /// Takes a token and a place in the lane.
    ///
    /// - Returns: false, and nothing is taken, when one of them is not to be had.
    public mutating func take(_ lane: Lane, at now: Uptime) -> Bool {
        refill(at: now)
        guard milliTokens >= Self.token, hasRoom(in: lane) else { return false }
        milliTokens -= Self.token
        underWay[lane, default: 0] += 1
        return true
    }

    /// A probe of this lane ended.
    public mutating func release(_ lane: Lane) {
        guard let count = underWay[lane] else { return }
        underWay[lane] = count > 1 ? count - 1 : nil
    }

    /// A probe of this lane was not sent after all: its place and its token are free again.
    public mutating func refund(_ lane: Lane) {
        guard underWay[lane] != nil else { return }
        release(lane)
        milliTokens = min(capacity, milliTokens + Self.token)
    }

    private var capacity: Int64 { Int64(configuration.burst) * Self.token }

    private mutating func refill(at now: Uptime) {
        let elapsed = now.millisecondsSince(refilledAt)
        guard elapsed > 0 else { return }
        refilledAt = now
        // Longer than it takes to fill the bucket gains no more, and cannot overflow.
        let gained = min(elapsed, capacity) * Int64(configuration.perSecond)
        milliTokens = min(capacity, milliTokens + gained)
    }
}
