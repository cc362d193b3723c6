/// What all experiments are run with.
public struct ExperimentConfiguration: Hashable, Sendable {
    /// Nodes of each simulated network, dead ones included.
    public var nodes: Int
    /// Lookups of each variant with each seed.
    public var lookups: Int
    /// Requests at a time.
    public var alphas: [Int]
    /// Dead nodes in a thousand.
    public var deadPermille: [Int]
    /// Lookups that a node has done before, where it earned its history.
    public var earlierLookups: Int

    /// What ``nodes`` may be: below, no lookup has a second hop; above, a node takes too much memory.
    public static let nodesRange = 100...1_000_000

    public init(
        nodes: Int = 10_000, lookups: Int = 30, alphas: [Int] = [10], deadPermille: [Int] = [0, 200, 500],
        earlierLookups: Int = 200
    ) {
        self.nodes = nodes
        self.lookups = lookups
        self.alphas = alphas
        self.deadPermille = deadPermille
        self.earlierLookups = earlierLookups
    }
}

/// The experiments there are, in the order in which they are run.
public enum Experiments {
    public static func all(_ configuration: ExperimentConfiguration = ExperimentConfiguration()) -> [any Experiment] {
        [
            LookupComparison(
                nodes: configuration.nodes, deadPermille: configuration.deadPermille, alphas: configuration.alphas,
                lookups: configuration.lookups, askers: 2, earlierLookups: configuration.earlierLookups),
            LookupComparison(
                nodes: configuration.nodes, deadPermille: [0], alphas: configuration.alphas,
                lookups: configuration.lookups, askers: 2, churn: Churn(), earlierLookups: configuration.earlierLookups),
            Restart(),
            Outage(.hour),
            Outage(.flapping),
            Trickle(),
            Eclipse(),
            LongAbsence(),
            MonthOfChurn(),
        ]
    }
}
