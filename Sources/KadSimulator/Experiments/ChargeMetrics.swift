import Kademlia

/// What is measured of charges: failures that count against a peer for good.
extension Metric {
    public static let swallowed = Metric("swallowed", "swallowed", .count)
    public static let wrongCharges = Metric("wrongCharges", "wrong charges", .count)
    public static let liveCharged = Metric("liveCharged", "live charged", .share)
    public static let liveAtFive = Metric("liveAtFive", "live at 5", .count)
    public static let deadDialled = Metric("deadDialled", "dead dialled", .count)
    public static let deadLearnt = Metric("deadLearnt", "dead learnt", .share)
    public static let chargesTakenBack = Metric("chargesTakenBack", "taken back", .count)
}

extension DialTally {
    /// The streak at which a breaker opens.
    private static let breakerStreak = 5

    /// - Parameter recalls: of the lookups in this part of the run.
    func row(_ name: String, recalls: [Double] = []) -> Row {
        func share(_ peers: [Key: Int]) -> Double {
            peers.isEmpty ? 0 : Double(peers.values.count { $0 > 0 }) / Double(peers.count)
        }
        var row = Row(
            name,
            [
                Measurement(.swallowed, swallowed),
                Measurement(.wrongCharges, wrongCharges),
                Measurement(.liveCharged, share(live)),
                Measurement(.liveAtFive, live.values.count { $0 >= Self.breakerStreak }),
                Measurement(.deadDialled, dead.count),
                Measurement(.deadLearnt, share(dead)),
                Measurement(.chargesTakenBack, discarded),
            ])
        if let recall = Summary(recalls)?.mean { row.measurements.append(Measurement(.recall, recall)) }
        return row
    }
}
