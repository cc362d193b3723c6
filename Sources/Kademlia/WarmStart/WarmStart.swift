/// The first minutes of a node that remembers: the restored table is usable at once, unverified, and is verified by
/// probes that a plan orders and a pacer spaces out. A pure value; the shell pings what ``Directive/probe(_:)`` names
/// and reports the outcome.
///
/// Probes run beside each other, so a silent peer costs its own place and nothing else: the known mistake is to ask one
/// after another under a common time limit, which a few dead peers use up.
///
/// After each report and at ``nextTick``, call ``poll(at:)``.
public struct WarmStart: Hashable, Sendable {
    public enum Directive: Hashable, Sendable {
        /// Ask this peer whether it lives; report with ``WarmStart/answered(_:at:)``, ``WarmStart/failed(_:at:)`` or,
        /// when it was not asked, ``WarmStart/skipped(_:at:)``.
        case probe(Key)
        /// Too few peers answer: ask the configured bootstrap peers. At most once.
        case bootstrap
        /// Everything planned has an outcome. Once, the last of all.
        case finished
    }

    public struct Statistics: Hashable, Sendable {
        public var planned = 0
        public var probed = 0
        /// Of those planned; also when the answer came to a question of somebody else's, a lookup's.
        public var answered = 0
        public var failed = 0
        public var skipped = 0
        /// Members in backoff for longer than the warm start lasts.
        public var leftOut = 0

        public init() {}
    }

    public let configuration: Configuration

    /// Whom to ask, in the order of urgency: tier by tier, then by due time; what is beyond a quota comes last.
    public let plan: [Probe]

    public private(set) var statistics = Statistics()
    public private(set) var isFinished = false

    private enum State: Hashable { case waiting, inFlight, done }

    private let start: Uptime
    private var pacer: ProbePacer
    private let indices: [Key: Int]
    private var states: [State]
    private var unresolved: Int
    private var hasAskedForBootstrap = false

    /// The plan by due time, and how much of it is due.
    private let byDueTime: [Int]
    private var dueCount = 0
    /// Due, the most urgent first; some of them may be done by now.
    private var ready = IndexHeap()
    /// Due, but their lane had no room.
    private var parked: [ProbePacer.Lane: IndexHeap] = [:]
    /// Probes in the order they were sent, which is that of their deadlines; those before `settled` are over.
    private var flights: [Flight] = []
    private var settled = 0

    private struct Flight: Hashable {
        let index: Int
        let deadline: Uptime
    }

    /// - Parameters:
    ///   - candidates: the members of the restored table, and others that the store knows. Of two with one key the first
    ///     counts. The order matters only in that the generator's numbers are drawn in it.
    ///   - lastMark: when the node last ran, by the store's clock mark; nil when none has, and then there are no anchors.
    /// - Complexity: O(n log n) for n candidates
    public init(
        candidates: [Candidate], lastMark: Instant?, configuration: Configuration = Configuration(), at now: Uptime,
        using generator: inout some RandomNumberGenerator
    ) {
        let planner = ProbePlanner(
            candidates: candidates, lastMark: lastMark, configuration: configuration, at: now, using: &generator)
        self.configuration = configuration
        let plan = planner.plan
        self.plan = plan
        start = now
        pacer = ProbePacer(configuration: configuration.pacer, at: now)
        indices = Dictionary(plan.enumerated().map { ($1.key, $0) }) { first, _ in first }
        states = Array(repeating: .waiting, count: plan.count)
        unresolved = plan.count
        byDueTime = plan.indices.sorted { (plan[$0].due, $0) < (plan[$1].due, $1) }
        statistics.planned = plan.count
        statistics.leftOut = planner.leftOut
    }
}

extension WarmStart {
    /// What to do now. - Complexity: O(log n) for each probe that became due or was sent
    public mutating func poll(at now: Uptime) -> [Directive] {
        if isFinished { return [] }
        giveUpLost(at: now)
        while dueCount < byDueTime.count, plan[byDueTime[dueCount]].due <= now {
            ready.insert(byDueTime[dueCount])
            dueCount += 1
        }
        var directives = send(at: now)
        if callsForBootstrap(at: now) {
            hasAskedForBootstrap = true
            directives.append(.bootstrap)
        }
        if unresolved == 0 {
            isFinished = true
            directives.append(.finished)
        }
        return directives
    }

    /// When to call ``poll(at:)`` next, if nothing is reported before; nil after the end. It may lie in the past.
    public var nextTick: Uptime? {
        if isFinished { return nil }
        var ticks: [Uptime] = []
        if unresolved == 0 { ticks.append(start) }
        if ready.first != nil { ticks.append(pacer.nextToken) }
        if dueCount < byDueTime.count { ticks.append(plan[byDueTime[dueCount]].due) }
        if let flight = flights[settled...].first(where: { states[$0.index] == .inFlight }) {
            ticks.append(flight.deadline)
        }
        if !hasAskedForBootstrap, statistics.answered < configuration.minimumAnswers { ticks.append(bootstrapAt) }
        return ticks.min()
    }

    /// The peer answered, a probe or any other question: it need not be asked any more.
    public mutating func answered(_ key: Key, at now: Uptime) {
        if resolve(key, isRefunded: false) { statistics.answered += 1 }
    }

    /// A probe of the peer failed, or any other question to it.
    public mutating func failed(_ key: Key, at now: Uptime) {
        if resolve(key, isRefunded: false) { statistics.failed += 1 }
    }

    /// The peer was not asked after all: its backoff, no address, gone from the table. The token is given back.
    public mutating func skipped(_ key: Key, at now: Uptime) {
        let wasSent = indices[key].map { states[$0] == .inFlight } ?? false
        if resolve(key, isRefunded: true) {
            statistics.skipped += 1
            if wasSent { statistics.probed -= 1 }
        }
    }

    /// The probes that wait for their outcome.
    public var inFlight: Int { pacer.inFlight }

    private var bootstrapAt: Uptime { start.advanced(byMilliseconds: configuration.bootstrapMilliseconds) }

    /// Too few answered in time, or too few are left to answer: then there is nothing to wait for.
    private func callsForBootstrap(at now: Uptime) -> Bool {
        guard !hasAskedForBootstrap, statistics.answered < configuration.minimumAnswers else { return false }
        return now >= bootstrapAt || unresolved < configuration.minimumAnswers - statistics.answered
    }

    /// Sends what is ready, the most urgent first, while there are tokens. What finds its lane full is parked until a
    /// place there is free, so it holds up nobody.
    private mutating func send(at now: Uptime) -> [Directive] {
        var directives: [Directive] = []
        while let index = ready.first {
            let lane = lane(of: index)
            if states[index] != .waiting {
                _ = ready.popFirst()
            } else if !pacer.hasRoom(in: lane) {
                _ = ready.popFirst()
                parked[lane, default: IndexHeap()].insert(index)
            } else if pacer.take(lane, at: now) {
                _ = ready.popFirst()
                states[index] = .inFlight
                statistics.probed += 1
                flights.append(
                    Flight(index: index, deadline: now.advanced(byMilliseconds: configuration.lostMilliseconds)))
                directives.append(.probe(plan[index].key))
            } else {
                break
            }
        }
        return directives
    }

    private func lane(of index: Int) -> ProbePacer.Lane { .init(plan[index].key, in: plan[index].group) }

    private mutating func giveUpLost(at now: Uptime) {
        while settled < flights.count {
            let flight = flights[settled]
            if states[flight.index] == .inFlight {
                guard flight.deadline <= now else { return }
                failed(plan[flight.index].key, at: now)
            }
            settled += 1
        }
    }

    /// Takes a peer out of the plan.
    ///
    /// - Returns: false when it is not in it, or its outcome was reported before.
    private mutating func resolve(_ key: Key, isRefunded: Bool) -> Bool {
        guard let index = indices[key], states[index] != .done else { return false }
        let lane = lane(of: index)
        if states[index] == .inFlight {
            if isRefunded { pacer.refund(lane) } else { pacer.release(lane) }
        }
        states[index] = .done
        unresolved -= 1
        unpark(lane)
        return true
    }

    /// Makes the most urgent of those that wait for this lane ready again.
    private mutating func unpark(_ lane: ProbePacer.Lane) {
        guard var waiting = parked.removeValue(forKey: lane) else { return }
        while let index = waiting.popFirst() {
            guard states[index] == .waiting else { continue }
            ready.insert(index)
            break
        }
        if waiting.first != nil { parked[lane] = waiting }
    }
}
