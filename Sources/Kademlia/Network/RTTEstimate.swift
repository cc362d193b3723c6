/// A smoothed round-trip time and its mean deviation, in microseconds (RFC 6298, section 2; Jacobson, 1988).
///
/// Whole numbers, so that every platform computes the same.
public struct RTTEstimate: Hashable, Sendable {
    /// SRTT.
    public var smoothed: Int64
    /// RTTVAR.
    public var variation: Int64

    public init(smoothed: Int64, variation: Int64) {
        self.smoothed = smoothed
        self.variation = variation
    }

    /// The longest sample that is believed: an hour. Longer ones count as this.
    public static let maximumSample: Int64 = 3_600_000_000

    /// The estimate after a first measurement: deviation half of it.
    public init(first sample: Int64) {
        smoothed = Self.clamp(sample)
        variation = smoothed / 2
    }

    /// Takes in a measurement, with gains of 1/8 and 1/4.
    public mutating func observe(_ sample: Int64) {
        let sample = Self.clamp(sample)
        let error = sample - Self.clamp(smoothed)
        variation = Self.clamp(variation) + (Swift.abs(error) - Self.clamp(variation)) / 4
        smoothed = Self.clamp(smoothed) + error / 8
    }

    private static func clamp(_ value: Int64) -> Int64 { Swift.min(Swift.max(0, value), maximumSample) }
}
