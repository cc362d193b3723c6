import ArgumentParser
import Kademlia

/// A point in time on the command line: a span before now (`90s`, `15m`, `6h`, `3d`, `2w`) or a date in UTC
/// (`2025-01-31`, `2025-01-31T12:30:00Z`).
enum Moment: Hashable, Sendable {
    case ago(milliseconds: Int64)
    case at(Instant)

    func instant(now: Instant) -> Instant {
        switch self {
        case .ago(let milliseconds): now.advanced(byMilliseconds: -milliseconds)
        case .at(let instant): instant
        }
    }
}

extension Moment: ExpressibleByArgument {
    private static let units: KeyValuePairs<String, Int64> = [
        "min": 60_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
    ]

    init?(argument: String) {
        if let instant = UTC.instant(argument) {
            self = .at(instant)
            return
        }
        for (unit, milliseconds) in Self.units where argument.hasSuffix(unit) {
            // At most nine digits: no product overflows.
            let digits = argument.dropLast(unit.count)
            guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int64(digits)
            else { continue }
            self = .ago(milliseconds: number * milliseconds)
            return
        }
        return nil
    }

    static let help = "a span (90s, 15m, 6h, 3d, 2w) or a date in UTC (2025-01-31, 2025-01-31T12:30:00Z)"
}
