/// What a simulated network is like. Every figure is an assumption, and each experiment states its own.
public struct NetworkConfiguration: Hashable, Sendable {
    /// Nodes, dead ones included.
    public var nodes: Int

    /// Contacts of a bucket, and peers named in an answer: Kademlia's k.
    public var k: Int

    /// Dead nodes in a thousand. They died after all tables were filled, and nobody has noticed.
    public var deadPermille: Int

    /// Nodes in a thousand that nobody can dial although they are up and ask others, so that tables keep naming them: behind
    /// an address translator. They count as dead.
    public var unreachablePermille: Int

    /// Nodes that come and go; nil leaves everybody as they are.
    public var churn: Churn?

    /// Median round-trip time in microseconds: 100 ms, about what a crawl of the public IPFS network sees.
    public var medianRoundTrip: Int64

    /// Spread of round-trip times between pairs of nodes: deviation of the logarithm in thousandths. At 600 one pair in
    /// twenty takes more than 270 ms.
    public var roundTripSigmaMilli: Int64

    /// Spread between requests of one pair, likewise.
    public var jitterSigmaMilli: Int64

    /// Requests in a thousand that get lost with their answer.
    public var lossPermille: Int

    /// Dead nodes in a thousand whose host still refuses the connection. The others are silent.
    public var refusedPermille: Int

    /// Networks (/24) for each thousand nodes. At 1,000 the nodes of a network are Poisson distributed around one.
    public var groupsPermille: Int

    public init(
        nodes: Int, k: Int = 20, deadPermille: Int = 0, unreachablePermille: Int = 0, churn: Churn? = nil,
        medianRoundTrip: Int64 = 100_000,
        roundTripSigmaMilli: Int64 = 600, jitterSigmaMilli: Int64 = 100, lossPermille: Int = 0,
        refusedPermille: Int = 0, groupsPermille: Int = 1_000
    ) {
        self.nodes = max(1, nodes)
        self.k = max(1, k)
        self.deadPermille = deadPermille
        self.unreachablePermille = unreachablePermille
        self.churn = churn
        self.medianRoundTrip = medianRoundTrip
        self.roundTripSigmaMilli = roundTripSigmaMilli
        self.jitterSigmaMilli = jitterSigmaMilli
        self.lossPermille = lossPermille
        self.refusedPermille = refusedPermille
        self.groupsPermille = max(1, groupsPermille)
    }
}
