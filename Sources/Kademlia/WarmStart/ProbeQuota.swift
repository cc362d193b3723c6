/// How much of one tier each network group and each source has, and may have.
///
/// Peers without a known group count as one group: names without an address cost nothing. Peers without a source are
/// bound by their group alone: nobody told of them.
struct ProbeQuota {
    private let perGroup: Int
    private let perSource: Int
    private var groups: [NetworkGroup?: Int] = [:]
    private var sources: [UInt64: Int] = [:]

    init(perGroup: Int, perSource: Int) {
        self.perGroup = perGroup
        self.perSource = perSource
    }

    func hasRoom(for candidate: WarmStart.Candidate) -> Bool {
        use(ofGroupOf: candidate) < perGroup && use(ofSourceOf: candidate) < perSource
    }

    func use(ofGroupOf candidate: WarmStart.Candidate) -> Int { groups[candidate.group, default: 0] }

    func use(ofSourceOf candidate: WarmStart.Candidate) -> Int {
        candidate.source.map { sources[$0, default: 0] } ?? 0
    }

    mutating func count(_ candidate: WarmStart.Candidate) {
        groups[candidate.group, default: 0] += 1
        if let source = candidate.source { sources[source, default: 0] += 1 }
    }

    /// The share of `count` for each of `known` parties, if there shall be `minimum` of them: rounded up.
    static func share(of count: Int, known: Int, minimum: Int) -> Int {
        let parties = max(1, min(known, minimum))
        return count / parties + (count % parties == 0 ? 0 : 1)
    }
}

extension ProbeQuota {
    /// Draws up to `count` of `ranked`, in that order, but so that no network group has one more before each other group
    /// has as many (max-min fairness): however many rows a group owns, while there are more groups than draws it gets
    /// one of them.
    ///
    /// - Complexity: O(ranked * draws of the largest group)
    mutating func draw(_ count: Int, from ranked: [Int], of candidates: [WarmStart.Candidate]) -> [Int] {
        var drawn: [Int] = []
        var waiting = ranked
        var level = 0
        while drawn.count < count, !waiting.isEmpty {
            var later: [Int] = []
            var nextLevel = Int.max
            for index in waiting where hasRoom(for: candidates[index]) {
                let use = use(ofGroupOf: candidates[index])
                if use <= level {
                    self.count(candidates[index])
                    drawn.append(index)
                    if drawn.count == count { return drawn }
                } else {
                    later.append(index)
                    nextLevel = min(nextLevel, use)
                }
            }
            waiting = later
            level = nextLevel
        }
        return drawn
    }
}
