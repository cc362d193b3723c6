/// A reading of a clock that never jumps and counts sleep (`ContinuousClock`), in whole milliseconds since a start of its
/// own. Deadlines within a process are kept in it. Never persisted: it means nothing to the next process.
@frozen
public struct Uptime: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    @inlinable
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable
    public static func < (left: Uptime, right: Uptime) -> Bool { left.milliseconds < right.milliseconds }

    /// The reading `milliseconds` later, or the last representable one.
    @inlinable
    public func advanced(byMilliseconds milliseconds: Int64) -> Uptime {
        let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
        if overflow { return Uptime(milliseconds: milliseconds < 0 ? .min : .max) }
        return Uptime(milliseconds: sum)
    }

    /// Milliseconds from `earlier` until this reading, saturating.
    @inlinable
    public func millisecondsSince(_ earlier: Uptime) -> Int64 {
        let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        if overflow { return milliseconds < 0 ? .min : .max }
        return difference
    }
}
