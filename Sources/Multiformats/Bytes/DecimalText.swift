/// Decimal numbers as ASCII.
enum DecimalText {
    /// Appends `value` without leading zeros.
    static func append(_ value: UInt64, to output: inout [UInt8]) {
        var divisor: UInt64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            output.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// The number of one or more digits up to `maximum`; nil for anything else. Leading zeros are read.
    static func parse(_ text: UnsafeBufferPointer<UInt8>, maximum: UInt64) -> UInt64? {
        guard !text.isEmpty else { return nil }
        var value: UInt64 = 0
        for byte in text {
            guard (0x30...0x39).contains(byte) else { return nil }
            let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = product.addingReportingOverflow(UInt64(byte - 0x30))
            guard !productOverflow, !sumOverflow, sum <= maximum else { return nil }
            value = sum
        }
        return value
    }
}
