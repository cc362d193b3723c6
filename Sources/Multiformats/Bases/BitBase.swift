/// A base whose digits hold a whole number of bits each, most significant first, without padding (RFC 4648).
protocol BitBase: TextBase {
    static var table: DigitTable { get }
    static var bitsPerDigit: Int { get }
}

extension BitBase {
    @discardableResult
    public static func append(encoding bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Bool {
        let digits = table.digits
        let mask = UInt32(digits.count &- 1)
        var pending: UInt32 = 0
        var bits = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            bits &+= 8
            while bits >= bitsPerDigit {
                bits &-= bitsPerDigit
                output.append(digits[Int(pending >> UInt32(bits) & mask)])
            }
        }
        if bits > 0 {
            output.append(digits[Int(pending << UInt32(bitsPerDigit &- bits) & mask)])
        }
        return true
    }

    public static func decode(
        utf8 text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(BaseError) {
        // A digit that starts a byte and cannot finish one has no place in any encoding.
        guard text.count % 8 * bitsPerDigit % 8 < bitsPerDigit else { throw .invalidLength(text.count) }
        let values = table.values
        let start = output.count
        var pending: UInt32 = 0
        var bits = 0
        for (offset, digit) in text.enumerated() {
            let value = values[Int(digit)]
            guard value != DigitTable.none else {
                output.removeSubrange(start...)
                throw .invalidDigit(digit, offset: offset)
            }
            pending = pending << UInt32(bitsPerDigit) | UInt32(value)
            bits &+= bitsPerDigit
            if bits >= 8 {
                bits &-= 8
                output.append(UInt8(truncatingIfNeeded: pending >> UInt32(bits)))
            }
        }
        guard pending & (1 << UInt32(bits) &- 1) == 0 else {
            output.removeSubrange(start...)
            throw .strayBits
        }
    }
}

/// Base32 of RFC 4648 without padding, lower case out and either case in (multibase `b`).
///
/// - Complexity: O(n); no limit of its own.
public enum Base32: BitBase {
    static let table = DigitTable("abcdefghijklmnopqrstuvwxyz234567", foldingCase: true)
    static var bitsPerDigit: Int { 5 }
}

/// Hexadecimal, lower case out and either case in (multibase `f`), on buffers of bytes.
enum Base16: BitBase {
    static let table = DigitTable("0123456789abcdef", foldingCase: true)
    static var bitsPerDigit: Int { 4 }
}

/// Base64 of RFC 4648 without padding (multibase `m`).
package enum Base64: BitBase {
    static let table = DigitTable(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", foldingCase: false)
    static var bitsPerDigit: Int { 6 }
}

/// Base64url of RFC 4648 without padding (multibase `u`): the form of certificate hashes in a multiaddr, and of Ethereum's
/// node records.
///
/// - Complexity: O(n); no limit of its own.
public enum Base64URL: BitBase {
    static let table = DigitTable(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", foldingCase: false)
    static var bitsPerDigit: Int { 6 }
}

/// Base64 with I2P's alphabet, without the padding that I2P adds.
enum Base64I2P: BitBase {
    static let table = DigitTable(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~", foldingCase: false)
    static var bitsPerDigit: Int { 6 }
}
