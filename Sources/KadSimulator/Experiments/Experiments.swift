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

    public init(
        nodes: Int = 10_000, lookups: Int = 30, alphas: [Int] = [10], deadPermille: [Int] = [0, 200, 500]
    ) {
        self.nodes = nodes
        self.lookups = lookups
        self.alphas = alphas
        self.deadPermille = deadPermille
    }
}

/// The experiments there are, in the order in which they are run.
public enum Experiments {
    public static func all(_ configuration: ExperimentConfiguration = ExperimentConfiguration()) -> [any Experiment] {
        [
            LookupComparison(
                nodes: configuration.nodes, deadPermille: configuration.deadPermille, alphas: configuration.alphas,
                lookups: configuration.lookups),
            LookupComparison(
                nodes: configuration.nodes, deadPermille: [0], alphas: configuration.alphas,
                lookups: configuration.lookups, churn: Churn()),
        ]
    }
}
