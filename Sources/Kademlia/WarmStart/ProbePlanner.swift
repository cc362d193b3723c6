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
            let finish = ExponentialRace.finish(weight: candidate.weight, using: &generator)
            if candidate.availableIn <= 0 { racers.append((finish, candidate.order, index)) }
        }
        racers.sort { $0 < $1 }
        ranked = racers.map(\.index)
        planAnchors()
        planCoverage()
        planSeeds()
        planMembers()
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
    private func delay(_ index: Int, over milliseconds: Int64) -> Int64 {
        let window = UInt64(max(0, milliseconds))
        return Int64(clamping: candidates[index].order.multipliedFullWidth(by: window).high)
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
    /// Those that answered within the last hour of the node's last life, and have not failed since.
    private mutating func planAnchors() {
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
        var quota = ProbeQuota(
            perGroup: configuration.anchorsPerGroup, perSource: sourceShare(of: configuration.anchors, among: fresh))
        for index in inSecretOrder(quota.draw(configuration.anchors, from: fresh, of: candidates)) {
            append(index, .anchor, after: 0, .answeredLately(milliseconds: ages[index] ?? 0))
        }
    }

    /// Some of each bucket, whoever is newest. The first round asks every bucket that has a candidate, even beyond the
    /// quotas: a bucket that nobody asks is lost.
    private mutating func planCoverage() {
        let buckets = Dictionary(grouping: open) { candidates[$0].bucket }.sorted { $0.key < $1.key }
        let total = buckets.count.multipliedReportingOverflow(by: configuration.perBucket)
        var quota = ProbeQuota(
            perGroup: configuration.limits?.perTable ?? .max,
            perSource: sourceShare(of: total.overflow ? .max : total.partialValue, among: open))

        for round in 0..<configuration.perBucket {
            var chosen: [Int] = []
            for (_, members) in buckets {
                let eligible = members.filter {
                    !isPlanned[$0] && (round == 0 || quota.hasRoom(for: candidates[$0]))
                }
                guard let choice = fairest(eligible, under: quota, prefersHistory: round == 1) else { continue }
                quota.count(candidates[choice])
                chosen.append(choice)
            }
            if chosen.isEmpty { break }
            for index in inSecretOrder(chosen) {
                append(index, .coverage, after: 0, .covers(bucket: candidates[index].bucket, round: round))
            }
        }
    }

    /// The best standing; among those, in the round that asks for it, a long history; then the group that has least, the
    /// source that has least, and the first to finish the race.
    ///
    /// - Parameter indices: in the order of the race.
    private func fairest(_ indices: [Int], under quota: ProbeQuota, prefersHistory: Bool) -> Int? {
        var best: (index: Int, claim: (Int, Int, Int, Int))?
        for index in indices {
            let candidate = candidates[index]
            let claim = (
                candidate.standing, prefersHistory && !hasLongHistory(index) ? 1 : 0,
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
    private mutating func planMembers() {
        let members = inSecretOrder(candidates.indices.filter { candidates[$0].isMember && !isPlanned[$0] })
        let (perProbe, overflow) = Int64(plan.count + members.count)
            .multipliedReportingOverflow(by: configuration.spreadPerProbeMilliseconds)
        let spread = max(configuration.minimumSpreadMilliseconds, overflow ? .max : perProbe)

        var quota = ProbeQuota(
            perGroup: configuration.limits?.perTable ?? .max, perSource: sourceShare(of: members.count, among: members))
        var probes: [(delay: Int64, place: Int, index: Int, reason: WarmStart.Reason)] = []
        for (place, index) in members.enumerated() {
            let candidate = candidates[index]
            guard candidate.availableIn <= spread else {
                leftOut += 1
                continue
            }
            let isWithin = quota.hasRoom(for: candidate)
            if isWithin { quota.count(candidate) }
            let turn = Uptime(milliseconds: delay(index, over: spread))
                .advanced(byMilliseconds: isWithin ? 0 : spread).milliseconds
            probes.append((max(turn, candidate.availableIn), place, index, isWithin ? .member : .memberBeyondQuota))
        }
        probes.sort { ($0.delay, $0.place) < ($1.delay, $1.place) }
        for probe in probes { append(probe.index, .member, after: probe.delay, probe.reason) }
    }
}
