import Testing

@testable import Kademlia

@Suite("TimeoutPolicy")
struct TimeoutPolicyTests {
    let policy = TimeoutPolicy()

    @Test(
        "The slow mark is the retransmission timeout within its bounds, the deadline four of them within its own",
        arguments: [
            (RTTEstimate(smoothed: 200_000, variation: 50_000), 400, 1_600),
            (RTTEstimate(smoothed: 200_001, variation: 50_000), 401, 1_604),
            (RTTEstimate(smoothed: 1_000, variation: 500), 100, 1_000),
            (RTTEstimate(smoothed: 700_000, variation: 200_000), 1_500, 5_000),
            (RTTEstimate(smoothed: 3_000_000, variation: 0), 2_000, 5_000),
            (RTTEstimate(smoothed: .max, variation: .max), 2_000, 5_000),
            (RTTEstimate(smoothed: .min, variation: -1), 100, 1_000),
        ])
    func known(estimate: RTTEstimate, slow: Int64, deadline: Int64) {
        #expect(policy.milliseconds(peer: estimate, population: nil) == (slow, deadline))
        // The population stands in for a peer without an estimate, and only for one.
        #expect(policy.milliseconds(peer: nil, population: estimate) == (slow, deadline))
        #expect(policy.milliseconds(peer: estimate, population: .init(smoothed: 9, variation: 9)) == (slow, deadline))
    }

    @Test("Without any estimate it is a second and five")
    func unknown() {
        #expect(policy.milliseconds(peer: nil, population: nil) == (1_000, 5_000))
    }

    @Test("The deadline is never before the slow mark, whatever is configured")
    func odd() {
        for value in [Int64.min, -5, 0, 5, 3_000, .max] {
            let odd = TimeoutPolicy(
                minimumSlow: value, maximumSlow: value, minimumDeadline: -value.magnitude.signedClamped,
                maximumDeadline: 7, deadlineFactor: value, unknownSlow: value, unknownDeadline: 3)
            for estimate in [nil, RTTEstimate(smoothed: 80_000, variation: 9_000)] {
                let (slow, deadline) = odd.milliseconds(peer: estimate, population: nil)
                #expect(0 <= slow)
                #expect(slow <= deadline)
            }
        }
    }
}

extension UInt64 {
    fileprivate var signedClamped: Int64 { Int64(clamping: self) }
}
