/// Lengths of time as Go programs write them.
enum GoDuration {
    /// A Go duration (`1h2m3.5s`, `41.2ms`, `-3µs`, `0`) in microseconds; nil for anything else.
    static func microseconds(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
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
