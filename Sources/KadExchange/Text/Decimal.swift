/// Whole numbers as ASCII, without a String in between.
enum Decimal {
    static func append(_ value: some BinaryInteger, to output: inout [UInt8]) {
        var rest = UInt64(clamping: value.magnitude)
        if value < 0 { output.append(UInt8(ascii: "-")) }
        guard rest >= 10 else {
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest))
            return
        }
        // 20 digits hold any UInt64.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            while rest > 0, start > 0 {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            output.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }

    /// The number that digits with an optional sign stand for; nil for anything else, or out of range.
    static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
        let isNegative = text.first == UInt8(ascii: "-")
        guard text.count > (isNegative ? 1 : 0) else { return nil }
        var value: Int64 = 0
        for byte in text.part((isNegative ? 1 : 0)..<text.count) {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = product.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !sumOverflow else { return nil }
            // Counted downwards: the range below zero is the larger one.
            value = sum
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }
}
