import ArgumentParser

/// A length of time on the command line: `500ms`, `2s`, `1m`; a bare number is seconds.
struct Interval: Hashable, Sendable {
    let milliseconds: Int64
}

extension Interval: ExpressibleByArgument {
    private static let units: KeyValuePairs<String, Int64> = [
        "ms": 1, "min": 60_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "": 1_000,
    ]

    init?(argument: String) {
        for (unit, milliseconds) in Self.units where argument.hasSuffix(unit) {
            // At most nine digits: no product overflows.
            let digits = argument.dropLast(unit.count)
            guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int64(digits)
            else { continue }
            self.milliseconds = number * milliseconds
            return
        }
        return nil
    }

    var defaultValueDescription: String { milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms" }
}
