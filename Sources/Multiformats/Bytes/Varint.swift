/// Why bytes are no unsigned varint.
public enum VarintError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes end within the number.
    case truncated
    /// The number goes on after `maximum` bytes, or is over 64 bits.
    case tooLong(maximum: Int)
    /// A shorter form of the same number exists, so one value would have several encodings.
    case notMinimal

    public var description: String {
        switch self {
        case .truncated: "the bytes end within a varint"
        case .tooLong(let maximum): "a varint is longer than \(maximum) bytes or 64 bits"
        case .notMinimal: "a varint is not in its shortest form"
        }
    }
}

/// Unsigned LEB128: seven bits a byte, least significant group first, high bit set on all bytes but the last.
///
/// Only the shortest form is accepted, as the multiformats unsigned-varint specification demands.
public enum Varint {
    /// The most bytes of a varint in multiformats: 63 bits.
    public static let multiformatsByteLimit = 9

    /// The most bytes of a varint of 64 bits.
    public static let byteLimit = 10

    /// The number of bytes of `value`'s form: 1 to 10.
    public static func byteCount(of value: UInt64) -> Int {
        value == 0 ? 1 : (70 - value.leadingZeroBitCount) / 7
    }

    /// Appends `value` in 1 to 10 bytes.
    public static func append(_ value: UInt64, to output: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Reads a varint from the front of `bytes` and removes it. On failure `bytes` is as it was.
    ///
    /// - Parameter byteLimit: the longest form accepted, at most 10.
    public static func read(
        from bytes: inout ArraySlice<UInt8>, byteLimit: Int = Varint.byteLimit
    ) throws(VarintError) -> UInt64 {
        let input = bytes
        var offset = 0
        let value = try input.withUnsafeBufferPointer { (buffer) throws(VarintError) in
            try read(from: buffer, at: &offset, byteLimit: byteLimit)
        }
        bytes = bytes.dropFirst(offset)
        return value
    }

    /// Reads a varint at `offset` and moves `offset` behind it. On failure `offset` is as it was.
    ///
    /// - Parameter byteLimit: the longest form accepted, at most 10.
    @inline(__always)
    public static func read(
        from bytes: UnsafeBufferPointer<UInt8>, at offset: inout Int, byteLimit: Int = Varint.byteLimit
    ) throws(VarintError) -> UInt64 {
        guard offset >= 0, offset < bytes.count else { throw .truncated }
        if bytes[offset] < 0x80 {
            offset &+= 1
            return UInt64(bytes[offset &- 1])
        }
        return try readLong(from: bytes, at: &offset, byteLimit: byteLimit)
    }

    @inline(never)
    private static func readLong(
        from bytes: UnsafeBufferPointer<UInt8>, at offset: inout Int, byteLimit: Int
    ) throws(VarintError) -> UInt64 {
        let limit = min(byteLimit, Varint.byteLimit)
        var value: UInt64 = 0
        for (index, byte) in bytes[offset...].enumerated() {
            // The tenth byte holds the one bit that is left of 64.
            guard index < limit, index < 9 || byte <= 1 else { throw .tooLong(maximum: limit) }
            value |= UInt64(byte & 0x7f) << UInt64(7 * index)
            guard byte < 0x80 else { continue }
            guard byte != 0 else { throw .notMinimal }
            offset += index + 1
            return value
        }
        throw .truncated
    }
}
