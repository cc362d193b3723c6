import Kademlia

extension Int64 {
    static let second: Int64 = 1_000
    static let minute: Int64 = 60 * second
    static let hour: Int64 = 60 * minute
    static let day: Int64 = 24 * hour
}

extension Instant {
    /// A time well away from both ends, `milliseconds` after an arbitrary start.
    static func after(_ milliseconds: Int64) -> Instant { Instant(milliseconds: 1_800_000_000_000 + milliseconds) }

    static func + (instant: Instant, milliseconds: Int64) -> Instant { instant.advanced(byMilliseconds: milliseconds) }
    static func - (instant: Instant, milliseconds: Int64) -> Instant { instant.advanced(byMilliseconds: -milliseconds) }
}

/// Numbers that a damaged file may hold.
enum Damage {
    static let numbers: [Int64] = [
        .min, .min + 1, -1_000_000_000_000, -1, 0, 1, 31, 32, 33, 999, 1_000, 5_000, 1_800_000_000_000, .max / 2,
        .max - 1, .max,
    ]

    static func number(using generator: inout SeededGenerator) -> Int64 {
        numbers.randomElement(using: &generator) ?? 0
    }

    static func state(using generator: inout SeededGenerator) -> BackoffState {
        func draw() -> Int64 { number(using: &generator) }
        return BackoffState(
            streakMilli: draw(), streakAt: Instant(milliseconds: draw()),
            lastClass: FailureClass.allCases.randomElement(using: &generator) ?? .timeout,
            notBefore: draw() == 0 ? nil : Instant(milliseconds: draw()), waitMilliseconds: draw(),
            outcomes: UInt32(truncatingIfNeeded: generator.next()), outcomeCount: Int(draw()),
            breaker: BackoffState.Breaker.allCases.randomElement(using: &generator) ?? .closed,
            openings: Int(draw()), openedAt: draw() == 0 ? nil : Instant(milliseconds: draw()), trials: Int(draw()))
    }
}

extension FailurePolicy {
    /// The defaults with a breaker that never opens.
    static var withoutBreaker: FailurePolicy {
        var policy = FailurePolicy()
        policy.breaker.openingStreak = .max
        policy.breaker.minimumOutcomes = 33
        return policy
    }
}
