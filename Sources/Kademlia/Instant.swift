/// A point in time as files keep it: whole milliseconds since 1970-01-01T00:00:00Z.
@frozen
public struct Instant: Hashable, Comparable, Sendable {
    /// Unix time in milliseconds.
    public var milliseconds: Int64

    @inlinable
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool { left.milliseconds < right.milliseconds }

    /// The instant `milliseconds` later, or the last representable one.
    @inlinable
    public func advanced(byMilliseconds milliseconds: Int64) -> Instant {
        let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
        if overflow { return Instant(milliseconds: milliseconds < 0 ? .min : .max) }
        return Instant(milliseconds: sum)
    }

    /// Milliseconds from `earlier` until this instant, saturating.
    @inlinable
    public func millisecondsSince(_ earlier: Instant) -> Int64 {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        if overflow { return milliseconds < 0 ? .min : .max }
        return difference
    }
}
