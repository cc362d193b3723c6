import Kademlia

extension Terminal {
    /// A count in groups of three digits.
    func count(_ value: some BinaryInteger) -> String {
        let digits = String(value.magnitude)
        let gap = isUnicode ? "\u{2009}" : ","
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += gap }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// A count with its noun: `1 peer`, `2 peers`.
    func count(_ value: some BinaryInteger, _ singular: String, _ plural: String? = nil) -> String {
        "\(count(value)) \(value == 1 ? singular : plural ?? singular + "s")"
    }

    /// Bytes in binary units.
    func bytes(_ value: Int64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB"]
        guard value.magnitude >= 1024 else { return "\(value) B" }
        var amount = Double(value) / 1024
        var unit = 0
        while amount.magnitude >= 1024, unit < units.count - 1 {
            amount /= 1024
            unit += 1
        }
        return "\(FixedPoint.text(amount, digits: amount < 100 ? 1 : 0)) \(units[unit])"
    }

    /// A share of a whole in percent.
    func percent(_ part: some BinaryInteger, of whole: some BinaryInteger) -> String {
        guard whole > 0 else { return "-" }
        let share = Double(part) / Double(whole) * 100
        return "\(FixedPoint.text(share, digits: share < 10 && share > 0 ? 1 : 0)) %"
    }

    /// A time of microseconds.
    func microseconds(_ value: Int64) -> String {
        let micro = symbol("µs", "us")
        if value.magnitude < 1_000 { return "\(value) \(micro)" }
        let milliseconds = Double(value) / 1_000
        if milliseconds.magnitude < 1_000 {
            return "\(FixedPoint.text(milliseconds, digits: milliseconds < 100 ? 1 : 0)) ms"
        }
        return "\(FixedPoint.text(milliseconds / 1_000, digits: 2)) s"
    }
}

/// Decimal fractions without a locale or a formatter.
enum FixedPoint {
    static func text(_ value: Double, digits: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "\(value)" }
        let scale: Double = (0..<digits).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int64((value.magnitude * scale).rounded())
        let whole = scaled / Int64(scale)
        let sign = value < 0 && scaled != 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = String(scaled % Int64(scale))
        return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
    }
}

extension Int64 {
    /// A product, or the largest number.
    func multipliedSaturated(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
