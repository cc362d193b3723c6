/// Which way a cursor moves along the index.
@frozen
public enum WalkDirection: Sendable {
    /// Ascending keys.
    case up
    /// Descending keys.
    case down
}

/// An index of distinct keys in numeric order, with one cursor in each direction: what ``NearestWalk`` reads.
///
/// A database, a sorted array and a test's counter all fit behind it. The walk never holds more than the row under a
/// cursor; `row` is asked only for rows that are near enough to be kept.
public protocol KeyIndex {
    associatedtype Row
    associatedtype Failure: Error

    /// Positions the cursor of `direction` on the first key in `low...high` in that direction.
    ///
    /// - Returns: that key, or nil when the range is empty.
    mutating func seek(_ direction: WalkDirection, low: Key, high: Key) throws(Failure) -> Key?

    /// Moves the cursor of `direction` to its next key inside the range of the last seek.
    mutating func advance(_ direction: WalkDirection) throws(Failure) -> Key?

    /// The row under the cursor of `direction`, or nil when the caller's filter rejects it.
    mutating func row(_ direction: WalkDirection) throws(Failure) -> Row?

    /// A point to come back to with `release(to:)`: for an index that gathers what its rows refer to.
    func mark() -> Int

    /// Every row returned since `mark` has been dropped.
    mutating func release(to mark: Int)
}

extension KeyIndex {
    @inlinable
    public func mark() -> Int { 0 }

    @inlinable
    public mutating func release(to mark: Int) {}
}
