/// Counts by magnitude: sixteen steps for each doubling, so a quantile is right to within 6 %, in constant memory.
struct LogHistogram: Sendable {
    private var counts = [Int](repeating: 0, count: Self.slots)
    private var total = 0

    /// One more than that of the largest number: its bin has no upper end that a number could say.
    private static let slots = slot(UInt64(Int64.max)) + 1

    mutating func add(_ value: Int64) {
        counts[Self.slot(UInt64(max(0, value)))] += 1
        total += 1
    }

    static func slot(_ value: UInt64) -> Int {
        guard value >= 16 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 3) * 16 + Int((value >> UInt64(exponent - 4)) & 15)
    }

    /// The smallest value of a slot.
    static func lowest(_ slot: Int) -> Int64 {
        guard slot >= 16 else { return Int64(slot) }
        return Int64(16 + (slot & 15)) << Int64(slot / 16 - 1)
    }

    func quantile(_ share: Double) -> Int64 {
        var rest = Int(Double(total - 1) * share)
        for (slot, count) in counts.enumerated() {
            if rest < count { return Self.lowest(slot) }
            rest -= count
        }
        return 0
    }

    var summary: Statistics.RTT? {
        guard total > 0 else { return nil }
        return Statistics.RTT(
            count: total, p10: quantile(0.1), p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99))
    }

    /// Four bins for each doubling, from the first that is not empty to the last.
    var bins: [Survey.Bin] {
        let wide = stride(from: 0, to: counts.count, by: 4).map { start in
            Survey.Bin(
                lower: Self.lowest(start), upper: start + 4 < counts.count ? Self.lowest(start + 4) : .max,
                count: counts[start..<start + 4].reduce(0, +))
        }
        guard let first = wide.firstIndex(where: { $0.count > 0 }), let last = wide.lastIndex(where: { $0.count > 0 })
        else { return [] }
        return Array(wide[first...last])
    }
}
