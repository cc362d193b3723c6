import Kademlia

/// Dates of the proleptic Gregorian calendar in UTC, as ISO 8601 writes them.
enum UTC {
    private static let dayMilliseconds: Int64 = 86_400_000

    /// `2025-01-31T12:30:00Z`
    static func text(_ instant: Instant) -> String {
        let (days, rest) = instant.milliseconds.flooredQuotientAndRemainder(dividingBy: dayMilliseconds)
        let date = date(ofDay: days)
        let second = rest / 1_000
        return pad(date.year, 4) + "-" + pad(date.month, 2) + "-" + pad(date.day, 2) + "T" + pad(second / 3_600, 2)
            + ":"
            + pad(second / 60 % 60, 2) + ":" + pad(second % 60, 2) + "Z"
    }

    /// `2025-01-31T12:30:00.250Z`
    static func preciseText(_ instant: Instant) -> String {
        let (_, rest) = instant.milliseconds.flooredQuotientAndRemainder(dividingBy: 1_000)
        return text(instant).dropLast() + "." + pad(rest, 3) + "Z"
    }

    /// An instant from `2025-01-31` or `2025-01-31T12:30[:15[.250]]Z`, always UTC; nil for anything else.
    static func instant(_ text: String) -> Instant? {
        let parts = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        guard let datePart = parts.first, let days = day(datePart) else { return nil }
        guard parts.count == 2 else { return Instant(milliseconds: days * dayMilliseconds) }
        guard parts[1].last == "Z", let time = milliseconds(ofTime: parts[1].dropLast()) else { return nil }
        return Instant(milliseconds: days * dayMilliseconds + time)
    }

    private static func day(_ text: Substring) -> Int64? {
        let fields = text.split(separator: "-", omittingEmptySubsequences: false)
        guard fields.count == 3, let year = number(fields[0], 4), let month = number(fields[1], 2),
            let day = number(fields[2], 2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let days = dayNumber(year: year, month: month, day: day)
        // The 31st of a shorter month would be a day of the next.
        return date(ofDay: days).day == day ? days : nil
    }

    private static func milliseconds(ofTime text: Substring) -> Int64? {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(fields.count), let hour = number(fields[0], 2), let minute = number(fields[1], 2),
            hour < 24, minute < 60
        else { return nil }
        var milliseconds = (hour * 60 + minute) * 60_000
        guard fields.count == 3 else { return milliseconds }
        let seconds = fields[2].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let second = number(seconds[0], 2), second < 60 else { return nil }
        milliseconds += second * 1_000
        guard seconds.count == 2 else { return milliseconds }
        guard let fraction = number(seconds[1], 3) else { return nil }
        return milliseconds + fraction
    }

    private static func number(_ text: Substring, _ digits: Int) -> Int64? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func pad(_ value: Int64, _ digits: Int) -> String {
        let text = String(value.magnitude)
        return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    // Days are counted from 1970-01-01 in eras of 400 years that begin on a 1 March, so that leap days come last:
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

    private static func date(ofDay days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredQuotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func dayNumber(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).flooredQuotientAndRemainder(dividingBy: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Spans of time in the one unit that says most.
enum Span {
    static func text(milliseconds: Int64) -> String {
        let value = milliseconds.magnitude
        return switch value {
        case ..<1_000: "\(value) ms"
        case ..<60_000: "\(value / 1_000) s"
        case ..<3_600_000: "\(value / 60_000) min"
        case ..<172_800_000: "\(value / 3_600_000) h"
        case ..<(100 * 86_400_000): "\(value / 86_400_000) d"
        case ..<(730 * 86_400_000): "\(value / (30 * 86_400_000)) mo"
        default: "\(value / (365 * 86_400_000)) y"
        }
    }

    /// `3 h ago`, `in 5 min`, `now`.
    static func text(_ instant: Instant, from now: Instant) -> String {
        let age = now.millisecondsSince(instant)
        if age.magnitude < 1_000 { return "now" }
        return age < 0 ? "in \(text(milliseconds: age))" : "\(text(milliseconds: age)) ago"
    }
}

extension Int64 {
    /// Division that rounds down, so that times before 1970 fall on the day that they are of.
    func flooredQuotientAndRemainder(dividingBy divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
