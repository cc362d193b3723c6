extension WarmStart {
    /// The constants of a warm start.
    public struct Configuration: Hashable, Sendable {
        public var pacer: ProbePacer.Configuration

        /// How long before the last mark of the clock a peer must have answered to be an anchor. One hour: of the peers
        /// up for that long most are up an hour later (Kademlia, section 2.2), and a restart takes minutes.
        public var anchorMilliseconds: Int64

        /// How far after the last mark a stamp may lie. Ten minutes: beyond it a stamp is unknown, never fresh.
        public var futureMilliseconds: Int64

        /// The most anchors. Twenty, the pacer's burst: they leave at once.
        public var anchors: Int

        /// The most probes of one network group among those that leave at once: anchors and coverage. Two, as in a
        /// bucket: who owns the newest rows owns no more of these. More when fewer than ``minimumGroups`` are known.
        public var immediatePerGroup: Int

        /// Probes for each bucket that has candidates. Two: the fairest choice, and one with a long history.
        public var perBucket: Int

        /// Seeds drawn by weight. Thirty, as in geth.
        public var seeds: Int

        /// The network groups that the seeds come from, if so many are known. Eight: at most four of 30 seeds share one.
        public var minimumGroups: Int

        /// The sources that a tier comes from, if so many are known: none tells of more than a third.
        public var minimumSources: Int

        /// How long a peer must have been known to count as an old acquaintance, in milliseconds. A day.
        public var historyMilliseconds: Int64

        /// On how many days it must have been seen. Two.
        public var historyDays: Int

        /// The share of network groups in the table; nil lifts the quota of members, where the table has no limits.
        public var limits: DiversityLimits?

        /// What seeds, and the members of a small table, are spread over, in milliseconds. Five seconds: a fleet that
        /// restarts together does not dial together, and half of the time to bootstrap is left for answers.
        public var minimumSpreadMilliseconds: Int64

        /// What each probe of the plan adds to the time that members are spread over, in milliseconds. 100: the pacer's
        /// rate, so that its queue stays short.
        public var spreadPerProbeMilliseconds: Int64

        /// Answers that make a node part of the network. Four: fewer may all be one dead end.
        public var minimumAnswers: Int

        /// When too few answers call for bootstrap peers, in milliseconds. Ten seconds: two timeouts.
        public var bootstrapMilliseconds: Int64

        /// When a probe whose outcome was never reported counts as failed, in milliseconds: the start ends in any case.
        public var lostMilliseconds: Int64

        /// Values out of range are brought into it: counts of at least one, times not negative.
        public init(
            pacer: ProbePacer.Configuration = .init(), anchorMilliseconds: Int64 = 60 * 60 * 1000,
            futureMilliseconds: Int64 = 10 * 60 * 1000, anchors: Int = 20, immediatePerGroup: Int = 2,
            perBucket: Int = 2, seeds: Int = 30, minimumGroups: Int = 8, minimumSources: Int = 3,
            historyMilliseconds: Int64 = 24 * 60 * 60 * 1000, historyDays: Int = 2,
            limits: DiversityLimits? = DiversityLimits(), minimumSpreadMilliseconds: Int64 = 5000,
            spreadPerProbeMilliseconds: Int64 = 100, minimumAnswers: Int = 4,
            bootstrapMilliseconds: Int64 = 10_000, lostMilliseconds: Int64 = 30_000
        ) {
            self.pacer = pacer
            self.anchorMilliseconds = max(0, anchorMilliseconds)
            self.futureMilliseconds = max(0, futureMilliseconds)
            self.anchors = max(0, anchors)
            self.immediatePerGroup = max(1, immediatePerGroup)
            self.perBucket = max(1, perBucket)
            self.seeds = max(0, seeds)
            self.minimumGroups = max(1, minimumGroups)
            self.minimumSources = max(1, minimumSources)
            self.historyMilliseconds = max(0, historyMilliseconds)
            self.historyDays = max(0, historyDays)
            self.limits = limits
            self.minimumSpreadMilliseconds = max(0, minimumSpreadMilliseconds)
            self.spreadPerProbeMilliseconds = max(0, spreadPerProbeMilliseconds)
            self.minimumAnswers = max(0, minimumAnswers)
            self.bootstrapMilliseconds = max(0, bootstrapMilliseconds)
            self.lostMilliseconds = max(1, lostMilliseconds)
        }
    }
}
