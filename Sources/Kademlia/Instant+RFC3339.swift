/// RFC 3339, the form in which programs of these networks write times: `2026-11-20T10:00:00.05+01:00`.
extension Instant {
    /// The instant of a text's ASCII bytes, fractions cut to milliseconds; nil for anything else.
    package init?(rfc3339 text: UnsafeBufferPointer<UInt8>) {
        var rest = DigitScanner(text: text)
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
        let seconds = ((Self.days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
        self.init(milliseconds: seconds * 1_000 + milliseconds)
    }

    /// In UTC, with milliseconds where there are any; nil outside of the years 1 to 9999, which the form cannot write.
    package var rfc3339: String? {
        guard (-62_135_596_800_000..<253_402_300_800_000).contains(milliseconds) else { return nil }
        let days = (milliseconds >= 0 ? milliseconds : milliseconds - 86_399_999) / 86_400_000
        let rest = milliseconds - days * 86_400_000
        let (year, month, day) = Self.date(days)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
        }
        let time = [rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60].map { padded($0, 2) }.joined(
            separator: ":")
        let fraction = rest % 1_000 == 0 ? "" : "." + padded(rest % 1_000, 3)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time)\(fraction)Z"
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, *chrono-compatible low-level date algorithms*).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
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
}

/// Reads digits and signs from left to right.
private struct DigitScanner {
    let text: UnsafeBufferPointer<UInt8>
    var offset = 0

    init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    var isAtEnd: Bool { offset >= text.count }

    mutating func skip(_ sign: Unicode.Scalar) -> Bool {
        guard offset < text.count, UInt32(text[offset]) == sign.value else { return false }
        offset += 1
        return true
    }

    mutating func digits(_ count: Int) -> Int64? {
        guard count <= text.count - offset else { return nil }
        var value: Int64 = 0
        for position in offset..<(offset + count) {
            let digit = text[position] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        offset += count
        return value
    }
}
