#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension UnsafeBufferPointer<UInt8> {
    /// Whether the bytes are well-formed UTF-8. Runs over ASCII eight bytes at a time.
    var isUTF8: Bool {
        let raw = UnsafeRawBufferPointer(self)
        var offset = 0
        while offset &+ 8 <= count,
            raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            offset &+= 8
        }
        while offset < count, self[offset] < 0x80 { offset &+= 1 }
        guard offset < count else { return true }
        return String(validating: self[offset...], as: UTF8.self) != nil
    }

    /// Where `byte` stands first, at `start` or behind it.
    func offset(of byte: UInt8, from start: Int) -> Int? {
        guard let base = baseAddress, start >= 0, start < count,
            let found = memchr(base + start, Int32(byte), count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }

    /// The part within `range`; bounds outside are clamped.
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: self[range.clamped(to: 0..<count)])
    }

    /// Whether the bytes are those of `text`.
    func equals(_ text: StaticString) -> Bool {
        guard text.utf8CodeUnitCount == count, let base = baseAddress else {
            return count == 0 && text.utf8CodeUnitCount == 0
        }
        return memcmp(text.utf8Start, base, count) == 0
    }

    /// Whether both hold the same bytes.
    func equals(_ other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count == other.count, let left = baseAddress, let right = other.baseAddress else {
            return count == other.count
        }
        return memcmp(left, right, count) == 0
    }

    /// The bytes without blanks (space, tab) at both ends.
    var trimmed: UnsafeBufferPointer<UInt8> {
        var low = 0
        var high = count
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        while low < high, isBlank(self[low]) { low += 1 }
        while high > low, isBlank(self[high - 1]) { high -= 1 }
        return part(low..<high)
    }
}
