/// How nodes come and go, as a function of time alone: whether a node is up can be asked for any moment, in any order.
///
/// Each node has a habit of its own, drawn once: a typical session, and the share of time that it is up. Its sessions
/// follow each other at even distances and vary by half around the typical one; the first begins at a random place of
/// the cycle, so the network is in its steady state at all times. Half of all sessions last less than two hours
/// (ProbeLab's measurement of IPFS, RFM 2, 2022), few more than a day.
///
/// Nodes with a lifetime are born, live by their habit, and never come back, while others are born: the peers that were
/// ever seen grow without end although the network does not.
public struct Churn: Hashable, Sendable {
    /// Median of the nodes' typical session in microseconds. Above two hours, because a node of short sessions
    /// contributes more of them.
    public var medianSession: Int64

    /// Spread of typical sessions between nodes: deviation of the logarithm in thousandths.
    public var sessionSigmaMilli: Int64

    /// Share of time that a node is up, in thousandths, drawn evenly between the two.
    public var availabilityPermille: ClosedRange<Int>

    /// Median time between a node's first session and its last in microseconds; nil lives for ever.
    public var medianLifetime: Int64?

    /// How often a node renews each of its buckets, in microseconds (Kademlia, section 2.3).
    public var refreshInterval: Int64

    /// The time from the begin of the world that births are spread over, in microseconds.
    public var horizon: Int64

    public init(
        medianSession: Int64 = 4 * Span.hour, sessionSigmaMilli: Int64 = 1_200,
        availabilityPermille: ClosedRange<Int> = 200...950, medianLifetime: Int64? = nil,
        refreshInterval: Int64 = Span.hour, horizon: Int64 = 30 * Span.day
    ) {
        self.medianSession = medianSession
        self.sessionSigmaMilli = sessionSigmaMilli
        self.availabilityPermille = availabilityPermille
        self.medianLifetime = medianLifetime
        self.refreshInterval = max(1, refreshInterval)
        self.horizon = max(1, horizon)
    }

    /// The shortest session: a minute.
    static let shortestSession = Span.minute
    /// Lifetimes vary by this deviation of their logarithm, in thousandths.
    static let lifetimeSigmaMilli: Int64 = 1_000

    /// A node's cycle: how long one takes, how much of it the typical session, and where it stands when the world begins.
    struct Habit {
        let cycle: Int64
        let session: Int64
        let phase: Int64
    }

    func habit(_ draw: Draw) -> Habit {
        let session = max(
            Self.shortestSession,
            Distribution.lognormal(median: medianSession, sigmaMilli: sessionSigmaMilli, uniform: draw[0].bits))
        let availability = availabilityPermille.lowerBound + draw[1].below(availabilityPermille.count)
        let cycle = session / Int64(max(1, availability)) * 1_000
        return Habit(cycle: cycle, session: session, phase: Int64(draw[2].below(UInt64(cycle))))
    }

    /// The session of the cycle around `time`: the node is up from the cycle's begin for this long.
    ///
    /// - Returns: microseconds since the cycle's begin, and the length of its session.
    func session(_ draw: Draw, at time: VirtualTime) -> (since: Int64, length: Int64) {
        let habit = habit(draw)
        let shifted = time.microseconds + habit.phase
        let number = shifted >= 0 ? shifted / habit.cycle : (shifted + 1) / habit.cycle - 1
        let half = habit.session / 2
        let length = half + Int64(draw[3][Int(number)].below(UInt64(habit.session)))
        return (shifted - number * habit.cycle, min(length, habit.cycle))
    }

    /// First and last moment of the node's life; nil for ever.
    func life(_ draw: Draw) -> Range<Int64>? {
        guard let medianLifetime else { return nil }
        let length = Distribution.lognormal(
            median: medianLifetime, sigmaMilli: Self.lifetimeSigmaMilli, uniform: draw[4].bits)
        // Births before the beginning, so that the network is full when the world begins.
        let warmUp = 8 * medianLifetime
        let birth = Int64(draw[5].below(UInt64(horizon + warmUp))) - warmUp
        return birth..<(birth + max(1, length))
    }

    func isUp(_ draw: Draw, at time: VirtualTime) -> Bool {
        if let life = life(draw), !life.contains(time.microseconds) { return false }
        let session = session(draw, at: time)
        return session.since < session.length
    }
}
