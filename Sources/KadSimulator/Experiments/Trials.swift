import Kademlia

/// The lookups that are tried in a network: who looks up what, and when. The same for all that are compared.
struct Trials {
    let network: SimulatedNetwork
    let count: Int
    /// Nodes that take turns in asking.
    let askers: Int

    struct Trial {
        let number: Int
        /// Which of the askers it is, and its node.
        let turn: Int
        let asker: Int
        let target: Key
    }

    /// The moment of all lookups: networks without churn do not change, others are in their steady state.
    static let moment = VirtualTime(microseconds: 10 * Span.day)

    var all: [Trial] {
        (0..<count).compactMap { number in
            let draw = network.draw[.lookup]
            let turn = number % max(1, askers)
            guard let asker = network.liveNode(draw[0][turn], at: Self.moment) else { return nil }
            let target = draw[1][number]
            return Trial(
                number: number, turn: turn, asker: asker,
                target: Key(target[0].bits, target[1].bits, target[2].bits, target[3].bits))
        }
    }

    /// Lets an algorithm do all of them.
    func run<Algorithm: LookupAlgorithm>(
        _ algorithm: Algorithm.Type, alpha: Int, _ digest: inout TraceDigest
    ) -> LookupTally {
        var tally = LookupTally()
        for trial in all {
            let run = AlgorithmRun(
                algorithm, in: network, from: trial.asker, target: trial.target, alpha: alpha,
                nonce: UInt64(trial.number), at: Self.moment)
            tally.add(
                run.work, microseconds: run.microseconds,
                recall: recall(of: run.result, trial, at: Self.moment + run.microseconds))
            digest.add(run.digest)
        }
        return tally
    }

    /// The share of the live k nearest that was found, by who is up at the end.
    func recall(of found: [Key], _ trial: Trial, at time: VirtualTime) -> Double {
        network.recall(
            of: found, target: trial.target, count: network.configuration.k, asker: trial.asker, at: time)
    }
}
