/// Comparison and hashing of byte slices a word at a time: the standard library's own go element by element, which on
/// ids of 38 bytes costs several times as much.
extension ArraySlice<UInt8> {
    /// Whether both hold the same bytes. O(n).
    func hasSameBytes(as other: ArraySlice<UInt8>) -> Bool {
        count == other.count && firstDifference(from: other) == nil
    }

    /// Lexicographic order of the bytes; a prefix comes first. O(n).
    func isOrdered(before other: ArraySlice<UInt8>) -> Bool {
        guard let (left, right) = firstDifference(from: other) else { return count < other.count }
        return left < right
    }

    /// Feeds the bytes to `hasher`, closed by their number so that two slices in a row cannot be confused.
    func hashBytes(into hasher: inout Hasher) {
        withUnsafeBytes { hasher.combine(bytes: $0) }
        hasher.combine(count)
    }

    /// The first big-endian words, or bytes at the end, in which the common length differs.
    private func firstDifference(from other: ArraySlice<UInt8>) -> (UInt64, UInt64)? {
        withUnsafeBytes { left in
            other.withUnsafeBytes { right in
                let common = Swift.min(left.count, right.count)
                var offset = 0
                while offset &+ 8 <= common {
                    let leftWord = UInt64(bigEndian: left.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    let rightWord = UInt64(bigEndian: right.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    if leftWord != rightWord { return (leftWord, rightWord) }
                    offset &+= 8
                }
                while offset < common {
                    if left[offset] != right[offset] { return (UInt64(left[offset]), UInt64(right[offset])) }
                    offset &+= 1
                }
                return nil
            }
        }
    }
}
