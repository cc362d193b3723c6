/// What each class of failure costs, and when the circuit breaker opens: the constants of the failure memory.
public struct FailurePolicy: Hashable, Sendable {
    /// What one class of failure costs.
    public struct Rule: Hashable, Sendable {
        /// The longest wait after a first failure.
        public var baseMilliseconds: Int64
        /// The longest wait after any number of them.
        public var capMilliseconds: Int64
        /// How much one failure adds to the streak: 0, 1 or 2.
        public var weight: Int
        /// After how long half of a streak is forgotten.
        public var halfLifeMilliseconds: Int64
        /// Whether it passes so quickly that a call tries again by itself (``RetrySchedule``).
        public var isRetriedInCall: Bool
        /// Streaks up to this cost no wait.
        public var grace: Int

        public init(
            baseMilliseconds: Int64, capMilliseconds: Int64, weight: Int = 1,
            halfLifeMilliseconds: Int64 = FailurePolicy.day, isRetriedInCall: Bool = false, grace: Int = 0
        ) {
            self.baseMilliseconds = baseMilliseconds
            self.capMilliseconds = capMilliseconds
            self.weight = weight
            self.halfLifeMilliseconds = halfLifeMilliseconds
            self.isRetriedInCall = isRetriedInCall
            self.grace = grace
        }

        /// Costs nothing: it says nothing of the peer.
        public static let free = Rule(baseMilliseconds: 0, capMilliseconds: 0, weight: 0)
    }

    /// When the circuit breaker opens, for how long, and what closes it (Nygard, *Release It!*).
    public struct Breaker: Hashable, Sendable {
        /// It opens when the streak, rounded up, reaches this.
        public var openingStreak: Int = 5
        /// It also opens by share: of the last so many outcomes (1...32), ...
        public var window: Int = 20
        /// ... when there are so many at least, ...
        public var minimumOutcomes: Int = 10
        /// ... so many per cent or more were failures. Catches who fails every other time, whose streak stays short.
        public var failurePercent: Int = 50
        /// How long it is open the first time; twice as long each further time.
        public var baseMilliseconds: Int64 = 60_000
        /// How long at most: a dead peer costs four dials a day at worst.
        public var capMilliseconds: Int64 = 6 * FailurePolicy.hour
        /// A share of these times that is drawn, on either side: peers that failed together are not tried together.
        public var jitterPercent: Int = 20
        /// How long one trial bars the next: longer than any call. A trial that a crash or a cancellation swallowed costs
        /// this wait, and no more.
        public var leaseMilliseconds: Int64 = 60_000
        /// How many trials must succeed before it closes: one may have been luck.
        public var closingTrials: Int = 2
        /// For each such time in health, one opening is forgotten.
        public var healingMilliseconds: Int64 = FailurePolicy.hour
        /// More openings than this are not counted: ten reach the cap, and a peer that has recovered should not need weeks
        /// to be believed.
        public var maximumOpenings: Int = 20
        /// A bucket of so many contacts or more ...
        public var panicBucketSize: Int = 8
        /// ... with fewer closed breakers than this ignores its breakers (``BreakerPanic``).
        public var panicMinimumClosed: Int = 3

        public init() {}
    }

    /// What makes a peer worth asking (``SelectionWeight``).
    public struct Selection: Hashable, Sendable {
        /// What one failure leaves of the weight, in per cent (Bitcoin's addrman).
        public var failurePercent: Int = 66
        /// Failures beyond this do not lower it further (addrman).
        public var maximumFailures: Int = 8
        /// Who was tried less than this ago ...
        public var recentMilliseconds: Int64 = 10 * FailurePolicy.minute
        /// ... keeps so many per cent of the weight (addrman).
        public var recentPercent: Int = 1
        /// The weight halves for each such time since the last success ...
        public var halfLifeMilliseconds: Int64 = 2 * FailurePolicy.day
        /// ... down to so many per cent: who never answered is tried now and then.
        public var floorPercent: Int = 5

        public init() {}
    }

    public static let minute: Int64 = 60_000
    public static let hour: Int64 = 60 * minute
    public static let day: Int64 = 24 * hour

    private var rules: [Rule]
    public var breaker = Breaker()
    public var selection = Selection()
    /// A streak decays for so long after its last failure at most. So one long absence does not wipe a record that was
    /// earned, and a clock that leapt ahead wipes nothing.
    public var maximumDecayMilliseconds: Int64 = 7 * FailurePolicy.day

    /// The rule of a class.
    public subscript(failureClass: FailureClass) -> Rule {
        get { rules[Int(failureClass.rawValue) - 1] }
        set { rules[Int(failureClass.rawValue) - 1] = newValue }
    }

    /// The defaults.
    public init() { rules = FailureClass.allCases.map(Self.rule) }

    public static let standard = FailurePolicy()

    private static func rule(_ failureClass: FailureClass) -> Rule {
        switch failureClass {
        // One lost packet is a timeout too: retried at once, and a minute's wait.
        case .timeout: Rule(baseMilliseconds: minute, capMilliseconds: 6 * hour, isRetriedInCall: true)
        // The host is up and the port is shut: the process is gone, and restarts take minutes.
        case .refused: Rule(baseMilliseconds: 5 * minute, capMilliseconds: 12 * hour)
        // The peer lived a moment ago.
        case .reset: Rule(baseMilliseconds: 15_000, capMilliseconds: hour, isRetriedInCall: true)
        // Routes come back by themselves.
        case .unreachable: Rule(baseMilliseconds: 5 * minute, capMilliseconds: 6 * hour)
        // Other software: only an upgrade mends it.
        case .negotiation: Rule(baseMilliseconds: 30 * minute, capMilliseconds: day)
        // A choice, or a fault of the program: remembered for a week, and not wiped by the next good answer.
        case .badResponse:
            Rule(baseMilliseconds: hour, capMilliseconds: 7 * day, weight: 2, halfLifeMilliseconds: 7 * day)
        // Charged to whoever gossiped the address. Once is free: addresses change hands, and honest peers gossip what
        // they heard an hour ago.
        case .identityMismatch:
            Rule(baseMilliseconds: hour, capMilliseconds: 7 * day, halfLifeMilliseconds: 7 * day, grace: 1)
        // The connection lives.
        case .stream: Rule(baseMilliseconds: 1_000, capMilliseconds: 10 * minute, isRetriedInCall: true)
        // Lives, and asks for rest: a wait, no streak.
        case .busy: Rule(baseMilliseconds: 2 * minute, capMilliseconds: 30 * minute, weight: 0)
        case .cancelled, .local: .free
        }
    }
}

extension FailurePolicy {
    /// 2^20 times any base is beyond its cap.
    private static let maximumExponent: Int64 = 20

    /// The longest wait after a failure of this class that leaves this streak (in thousandths):
    /// `min(cap, base · 2^(max(1, ceil(streak)) - 1))`, where streaks up to the grace cost nothing.
    public func longestWait(after failureClass: FailureClass, streakMilli: Int64) -> Int64 {
        let rule = self[failureClass]
        let grace = Int64(Swift.min(Swift.max(0, rule.grace), 1_000))
        let failures = Self.failures(streakMilli)
        guard grace == 0 || failures > grace else { return 0 }
        return Self.doubled(rule.baseMilliseconds, times: failures - grace - 1, cap: rule.capMilliseconds)
    }

    /// A wait drawn from the upper half of ``longestWait(after:streakMilli:)``: `D/2 + U(0, D/2)`. Takes one number from
    /// the generator.
    func wait(
        after failureClass: FailureClass, streakMilli: Int64, using generator: inout some RandomNumberGenerator
    ) -> Int64 {
        let longest = longestWait(after: failureClass, streakMilli: streakMilli)
        let half = longest / 2
        return longest - half + generator.draw(upTo: half)
    }

    /// How long the breaker stays open on its `opening`-th opening: `min(cap, base · 2^(opening - 1)) · U(0.8, 1.2)`.
    func openTime(opening: Int, using generator: inout some RandomNumberGenerator) -> Int64 {
        let time = Self.doubled(
            breaker.baseMilliseconds, times: Int64(opening) - 1, cap: breaker.capMilliseconds)
        return jittered(time, using: &generator)
    }

    func jittered(_ time: Int64, using generator: inout some RandomNumberGenerator) -> Int64 {
        // Bounded, and divided first: configured numbers must not overflow.
        let time = Swift.min(time, .max / 4)
        let spread = time / 100 * Int64(Swift.min(Swift.max(0, breaker.jitterPercent), 100))
        return time - spread + generator.draw(upTo: spread * 2)
    }

    /// A streak in whole failures, rounded up, so that five failures in a row are five although the first has decayed a
    /// little when the fifth comes.
    static func failures(_ streakMilli: Int64) -> Int64 {
        let streak = Swift.max(0, streakMilli)
        return streak / 1_000 + (streak % 1_000 == 0 ? 0 : 1)
    }

    private static func doubled(_ base: Int64, times: Int64, cap: Int64) -> Int64 {
        let exponent = Swift.min(Swift.max(0, times), maximumExponent)
        guard base > 0, cap > 0 else { return 0 }
        return base > cap >> exponent ? cap : base << exponent
    }
}
