import Kademlia

/// When the other end is pinged, when its silence is the end, and how long it takes to answer.
struct YamuxKeepAlive: Hashable, Sendable {
    enum Verdict: Hashable {
        case quiet
        case ping(UInt32)
        case dead
    }

    /// A deadline that is seen this much late was slept through (a suspended machine, a stopped process): the answer may
    /// be here and unread.
    static let tolerableDelayMilliseconds: Int64 = 1_000
    /// How long the answer then has to be read.
    static let graceMilliseconds: Int64 = 5_000

    private struct Ping: Hashable, Sendable {
        let value: UInt32
        let sentAt: Uptime
        var deadline: Uptime
        var isExtended = false
    }

    let interval: Int64
    let timeout: Int64
    /// The latest round trip, in milliseconds.
    private(set) var roundTrip: Int64?
    private var unanswered: Ping?
    private var lastValue: UInt32 = 0
    /// The first ping goes out with the first tick: a new connection's round trip is worth knowing.
    private var nextPing = Uptime(milliseconds: 0)

    init(interval: Int64, timeout: Int64) {
        self.interval = max(1, interval)
        self.timeout = max(1, timeout)
    }

    var nextTick: Uptime { unanswered?.deadline ?? nextPing }

    mutating func tick(at now: Uptime) -> Verdict {
        if var ping = unanswered {
            guard ping.deadline <= now else { return .quiet }
            let delay = now.millisecondsSince(ping.deadline)
            guard delay > Self.tolerableDelayMilliseconds, !ping.isExtended else { return .dead }
            ping.isExtended = true
            ping.deadline = now.advanced(byMilliseconds: Self.graceMilliseconds)
            unanswered = ping
            return .quiet
        }
        guard nextPing <= now else { return .quiet }
        lastValue &+= 1
        nextPing = now.advanced(byMilliseconds: interval)
        unanswered = Ping(value: lastValue, sentAt: now, deadline: now.advanced(byMilliseconds: timeout))
        return .ping(lastValue)
    }

    /// - Returns: whether it answers the ping that is under way.
    mutating func answered(_ value: UInt32, at now: Uptime) -> Bool {
        guard let ping = unanswered, ping.value == value else { return false }
        roundTrip = max(0, now.millisecondsSince(ping.sentAt))
        unanswered = nil
        return true
    }
}
