/// Chooses whom a warm start asks, tier by tier, and when.
///
/// The defence against an eclipse on restart (Heilman et al., 2015): who filled the store with the newest rows must not
/// fill the plan. Rows are free, network groups are not, so every tier is shared out among groups first and by weight
/// second; gossip is shared out among its sources as well; and half of what is drawn has a history of days.
struct ProbePlanner {
    private let configuration: WarmStart.Configuration
    private let candidates: [WarmStart.Candidate]
    private let lastMark: Instant?
    private let start: Uptime
    /// By the finish of the weighted race; only those that may be asked at once.
    private var ranked: [Int]
    private var isPlanned: [Bool]
    private(set) var plan: [WarmStart.Probe] = []
    /// Members whose backoff outlasts the warm start.
    private(set) var leftOut = 0

    /// - Complexity: O(n log n)
    init(
        candidates: [WarmStart.Candidate], lastMark: Instant?, configuration: WarmStart.Configuration, at start: Uptime,
        using generator: inout some RandomNumberGenerator
    ) {
        var known: Set<Key> = []
        self.candidates = candidates.filter { known.insert($0.key).inserted }
        self.configuration = configuration
        self.lastMark = lastMark
        self.start = start
        isPlanned = Array(repeating: false, count: self.candidates.count)
        var racers: [(finish: UInt64, order: UInt64, index: Int)] = []
        for (index, candidate) in self.candidates.enumerated() {
            let finish = SelectionWeight.sampleKey(weight: candidate.weight, using: &generator)
            if candidate.availableIn <= 0 { racers.append((finish, candidate.order, index)) }
        }
        racers.sort { $0 < $1 }
        ranked = racers.map(\.index)

        var quota = immediateQuota()
        planAnchors(within: &quota)
        let late = planCoverage(within: &quota)
        planSeeds()
        planMembers(and: late)
    }

    private var open: [Int] { ranked.filter { !isPlanned[$0] } }

    private func knownGroups(_ indices: [Int]) -> Int { Set(indices.map { candidates[$0].group }).count }

    /// Those without a source count as one.
    private func knownSources(_ indices: [Int]) -> Int { Set(indices.map { candidates[$0].source }).count }

    private func sourceShare(of count: Int, among indices: [Int]) -> Int {
        ProbeQuota.share(of: count, known: knownSources(indices), minimum: configuration.minimumSources)
    }

    private func hasLongHistory(_ index: Int) -> Bool {
        candidates[index].hasLongHistory(
            until: lastMark, milliseconds: configuration.historyMilliseconds, days: configuration.historyDays)
    }

    /// A peer's share of `milliseconds`, by its place in the secret order.
    private func delay(_ index: Int, over milliseconds: Int64, after offset: Int64 = 0) -> Int64 {
        let share = candidates[index].order.multipliedFullWidth(by: UInt64(max(0, milliseconds))).high
        let (delay, overflow) = Int64(clamping: share).addingReportingOverflow(offset)
        return overflow ? .max : delay
    }

    private mutating func append(_ index: Int, _ tier: WarmStart.Tier, after delay: Int64, _ reason: WarmStart.Reason) {
        let candidate = candidates[index]
        isPlanned[index] = true
        plan.append(
            WarmStart.Probe(
                key: candidate.key, group: candidate.group, bucket: candidate.bucket, tier: tier,
                due: start.advanced(byMilliseconds: delay), reason: reason))
    }

    /// The secret order decides between equals, then the place in the list that was handed in.
    private func inSecretOrder(_ indices: [Int]) -> [Int] {
        indices.sorted { (candidates[$0].order, $0) < (candidates[$1].order, $1) }
    }
}

// MARK: Tiers
extension ProbePlanner {
    /// What anchors and coverage, the probes that leave at once, may take of one group and one source.
    private func immediateQuota() -> ProbeQuota {
        let open = open
        let buckets = Set(open.map { candidates[$0].bucket }).count
        let (covered, overflow) = buckets.multipliedReportingOverflow(by: configuration.perBucket)
        let (count, overflowsToo) = covered.addingReportingOverflow(configuration.anchors)
        let total = overflow || overflowsToo ? Int.max : count
        let groups = knownGroups(open)
        return ProbeQuota(
            perGroup: groups < configuration.minimumGroups
                ? ProbeQuota.share(of: total, known: groups, minimum: configuration.minimumGroups)
                : configuration.immediatePerGroup,
            perSource: sourceShare(of: total, among: open))
    }

    /// Those that answered within the last hour of the node's last life, and have not failed since.
    private mutating func planAnchors(within quota: inout ProbeQuota) {
        guard let lastMark else { return }
        var ages: [Int: Int64] = [:]
        let fresh = ranked.filter { index in
            guard !candidates[index].isFailing,
                let age = candidates[index].answered(before: lastMark, tolerance: configuration.futureMilliseconds),
                age <= configuration.anchorMilliseconds
            else { return false }
            ages[index] = age
            return true
        }
        for index in inSecretOrder(quota.draw(configuration.anchors, from: fresh, of: candidates)) {
            append(index, .anchor, after: 0, .answeredLately(milliseconds: ages[index] ?? 0))
        }
    }

    /// Some of each bucket, whoever is newest. A bucket that nobody asks is lost, so the first round asks every bucket
    /// that has a candidate.
    ///
    /// - Returns: the choices of that round that are beyond the quota: they are for the end of the plan.
    private mutating func planCoverage(within quota: inout ProbeQuota) -> [Int] {
        let buckets = Dictionary(grouping: open) { candidates[$0].bucket }.sorted { $0.key < $1.key }
        var late: [Int] = []
        for round in 0..<configuration.perBucket {
            var chosen: [Int] = []
            for (_, members) in buckets {
                let open = members.filter { !isPlanned[$0] }
                guard let choice = fairest(open, under: quota, prefersHistory: round == 1) else { continue }
                if quota.hasRoom(for: candidates[choice]) {
                    quota.count(candidates[choice])
                    chosen.append(choice)
                } else if round == 0 {
                    late.append(choice)
                    isPlanned[choice] = true
                }
            }
            if round > 0, chosen.isEmpty { break }
            for index in inSecretOrder(chosen) {
                append(index, .coverage, after: 0, .covers(bucket: candidates[index].bucket, round: round))
            }
        }
        return late
    }

    /// Who is within the quota; among those the best standing; then, in the round that asks for it, a long history; then
    /// the group that has least, the source that has least, and the first to finish the race.
    ///
    /// - Parameter indices: in the order of the race.
    private func fairest(_ indices: [Int], under quota: ProbeQuota, prefersHistory: Bool) -> Int? {
        var best: (index: Int, claim: (Int, Int, Int, Int, Int))?
        for index in indices {
            let candidate = candidates[index]
            let claim = (
                quota.hasRoom(for: candidate) ? 0 : 1, candidate.standing,
                prefersHistory && !hasLongHistory(index) ? 1 : 0,
                quota.use(ofGroupOf: candidate), quota.use(ofSourceOf: candidate)
            )
            if let best, best.claim <= claim { continue }
            best = (index, claim)
        }
        return best?.index
    }

    /// A weighted draw over network groups, half of it from old acquaintances.
    private mutating func planSeeds() {
        let count = configuration.seeds
        let open = open
        var quota = ProbeQuota(
            perGroup: ProbeQuota.share(of: count, known: knownGroups(open), minimum: configuration.minimumGroups),
            perSource: sourceShare(of: count, among: open))
        let old = Set(quota.draw(count - count / 2, from: open.filter(hasLongHistory), of: candidates))
        let others = quota.draw(count - old.count, from: open.filter { !old.contains($0) }, of: candidates)
        for index in inSecretOrder(old.union(others).sorted()) {
            let reason: WarmStart.Reason =
                old.contains(index) ? .longHistory(days: candidates[index].daysSeen.nonzeroBitCount) : .drawn
            append(index, .seed, after: delay(index, over: configuration.minimumSpreadMilliseconds), reason)
        }
    }

    /// The rest of the table, spread over a time that grows with it. Nobody is left out for a quota: those beyond it are
    /// asked after all others.
    private mutating func planMembers(and late: [Int]) {
        let members = inSecretOrder(candidates.indices.filter { candidates[$0].isMember && !isPlanned[$0] })
        let (time, overflow) = Int64(plan.count + late.count + members.count)
            .multipliedReportingOverflow(by: configuration.spreadPerProbeMilliseconds)
        let spread = max(configuration.minimumSpreadMilliseconds, overflow ? .max : time)
        var quota = ProbeQuota(
            perGroup: configuration.limits?.perTable ?? .max, perSource: sourceShare(of: members.count, among: members))

        var turns: [(delay: Int64, index: Int, tier: WarmStart.Tier, reason: WarmStart.Reason)] = []
        for index in members {
            guard candidates[index].availableIn <= spread else {
                leftOut += 1
                continue
            }
            let isWithin = quota.hasRoom(for: candidates[index])
            if isWithin { quota.count(candidates[index]) }
            let turn = delay(index, over: spread, after: isWithin ? 0 : spread)
            turns.append((max(turn, candidates[index].availableIn), index, .member, isWithin ? .member : .beyondQuota))
        }
        for index in late {
            turns.append((delay(index, over: spread, after: spread), index, .coverage, .beyondQuota))
        }
        for turn in turns.sorted(by: { ($0.delay, $0.index) < ($1.delay, $1.index) }) {
            append(turn.index, turn.tier, after: turn.delay, turn.reason)
        }
    }
}
