import Kademlia

/// A point in simulated time: whole microseconds since the simulated world began.
///
/// Microseconds, because round-trip times are measured in them; a node is told whole milliseconds, as by its real clocks.
public struct VirtualTime: Hashable, Comparable, Sendable {
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public init(milliseconds: Int64) { microseconds = milliseconds * 1_000 }

    public static let zero = VirtualTime(microseconds: 0)

    public static func < (left: VirtualTime, right: VirtualTime) -> Bool { left.microseconds < right.microseconds }

    public static func + (left: VirtualTime, microseconds: Int64) -> VirtualTime {
        VirtualTime(microseconds: left.microseconds + microseconds)
    }

    /// Microseconds from `right` until `left`.
    public static func - (left: VirtualTime, right: VirtualTime) -> Int64 { left.microseconds - right.microseconds }

    /// Whole milliseconds, rounded down.
    public var milliseconds: Int64 { microseconds / 1_000 }
}

/// Lengths of time in microseconds, to write scenarios with.
public enum Span {
    public static let millisecond: Int64 = 1_000
    public static let second: Int64 = 1_000_000
    public static let minute: Int64 = 60 * second
    public static let hour: Int64 = 60 * minute
    public static let day: Int64 = 24 * hour
}
