import Kademlia

/// Points in time and lengths of time as Go programs write them.
enum Timestamp {
    /// RFC 3339: `2026-11-20T10:00:00.05+01:00`, fractions cut to milliseconds; nil for anything else.
    static func parse(rfc3339 text: UnsafeBufferPointer<UInt8>) -> Instant? {
        var rest = Scanner(text: text)
        guard let year = rest.digits(4), rest.skip("-"), let month = rest.digits(2), rest.skip("-"),
            let day = rest.digits(2), rest.skip("T") || rest.skip("t") || rest.skip(" "),
            let hour = rest.digits(2), rest.skip(":"), let minute = rest.digits(2), rest.skip(":"),
            let second = rest.digits(2), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var milliseconds: Int64 = 0
        if rest.skip(".") {
            var scale: Int64 = 100
            guard let first = rest.digits(1) else { return nil }
            milliseconds = first * scale
            while let digit = rest.digits(1) {
                scale /= 10
                milliseconds += digit * scale
            }
        }
        var offset: Int64 = 0
        if !rest.skip("Z"), !rest.skip("z") {
            let sign: Int64 = rest.skip("+") ? 1 : -1
            if sign < 0, !rest.skip("-") { return nil }
            guard let hours = rest.digits(2), rest.skip(":"), let minutes = rest.digits(2), hours < 24, minutes < 60
            else { return nil }
            offset = sign * (hours * 60 + minutes)
        }
        guard rest.isAtEnd else { return nil }
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
        return Instant(milliseconds: seconds * 1_000 + milliseconds)
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, *chrono-compatible low-level date algorithms*).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// RFC 3339 in UTC, with milliseconds where there are any; nil outside of the years 1 to 9999, which it cannot write.
    static func rfc3339(_ instant: Instant) -> String? {
        let milliseconds = instant.milliseconds
        guard (-62_135_596_800_000..<253_402_300_800_000).contains(milliseconds) else { return nil }
        let days = (milliseconds >= 0 ? milliseconds : milliseconds - 86_399_999) / 86_400_000
        let rest = milliseconds - days * 86_400_000
        let (year, month, day) = date(days)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let time = [rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60].map { padded($0, 2) }.joined(
            separator: ":")
        let fraction = rest % 1_000 == 0 ? "" : "." + padded(rest % 1_000, 3)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time)\(fraction)Z"
    }

    /// The date of a day from 1970-01-01, by the same source as ``days(_:_:_:)``.
    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * index + 2) / 5 + 1)
    }

    /// A Go duration (`1h2m3.5s`, `41.2ms`, `-3µs`, `0`) in microseconds; nil for anything else.
    static func parse(goDuration text: UnsafeBufferPointer<UInt8>) -> Int64? {
        var rest = Scanner(text: text)
        let isNegative = rest.skip("-")
        if !isNegative { _ = rest.skip("+") }
        guard !rest.isAtEnd else { return nil }
        var nanoseconds: Int64 = 0
        while !rest.isAtEnd {
            guard let (whole, millionths) = rest.decimal() else { return nil }
            // The longer names come first: "m" begins "ms".
            let units: [(StaticString, Int64)] = [
                ("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
                ("m", 60_000_000_000), ("h", 3_600_000_000_000),
            ]
            guard let unit = units.first(where: { rest.skip($0.0) })?.1 else {
                return rest.isAtEnd && whole == 0 && nanoseconds == 0 ? 0 : nil
            }
            let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
            // A million times an hour of nanoseconds still fits.
            let part = millionths * unit / 1_000_000
            let (sum, sumOverflow) = nanoseconds.addingReportingOverflow(product)
            let (total, totalOverflow) = sum.addingReportingOverflow(part)
            guard !overflow, !sumOverflow, !totalOverflow else { return nil }
            nanoseconds = total
        }
        return (isNegative ? -nanoseconds : nanoseconds) / 1_000
    }
}

/// Reads ASCII from left to right.
private struct Scanner {
    let text: UnsafeBufferPointer<UInt8>
    var offset = 0

    init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    var isAtEnd: Bool { offset >= text.count }

    mutating func skip(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard offset + count <= text.count, text.part(offset..<(offset + count)).equals(word) else { return false }
        offset += count
        return true
    }

    mutating func digits(_ count: Int) -> Int64? {
        guard offset + count <= text.count else { return nil }
        var value: Int64 = 0
        for byte in text.part(offset..<(offset + count)) {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        offset += count
        return value
    }

    /// A decimal fraction: what is before the point, and the first six digits behind it.
    mutating func decimal() -> (whole: Int64, millionths: Int64)? {
        var whole: Int64 = 0
        var isAny = false
        while let digit = digits(1) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: 10)
            guard !overflow, product <= .max - 9 else { return nil }
            whole = product + digit
            isAny = true
        }
        var millionths: Int64 = 0
        if skip(".") {
            var scale: Int64 = 100_000
            while let digit = digits(1) {
                millionths += digit * scale
                scale /= 10
                isAny = true
            }
        }
        return isAny ? (whole, millionths) : nil
    }
}
