/// A base whose radix is no power of two: the bytes are one big number, so a conversion costs the square of its length.
///
/// Two things keep it cheap: digits are taken in groups, 5 or 10 at a time for base58, which divides the number of
/// steps by 50; and the length is limited. Leading zero bytes are written as leading zero digits, one each.
protocol PositionalBase: TextBase {
    static var table: DigitTable { get }
    static var radix: UInt64 { get }
    /// The largest number of digits whose values all fit 32 bits.
    static var digitsPerGroup: Int { get }
    /// `radix` to the power of `digitsPerGroup`.
    static var groupRadix: UInt64 { get }
}

/// Limits of the conversions between bytes and a positional base.
enum PositionalLimit {
    static let digits = 256
    /// What fits 256 digits of base36 or base58, whatever the bytes.
    static let bytes = 160
    /// 256 base58 digits are 1,500 bits.
    static let limbs = 24
    /// 160 bytes in groups of five base58 digits are 44; in groups of six base36 digits they are 42.
    static let groups = 48
    /// Room for the digits of all groups.
    static let scratch = 512
}

extension PositionalBase {
    @discardableResult
    public static func append(encoding bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Bool {
        guard bytes.count <= PositionalLimit.bytes else { return false }
        let zeros = bytes.prefix { $0 == 0 }.count
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: PositionalLimit.groups) { groups in
            guard let used = fill(groups, from: bytes.part(zeros..<bytes.count)) else { return false }
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: PositionalLimit.scratch) { text in
                guard let start = write(groups.prefix(used), behind: zeros, into: text) else { return false }
                output.append(contentsOf: UnsafeMutableBufferPointer(rebasing: text[start...]))
                return true
            }
        }
    }

    /// Divides the number into groups of digits, least significant first, 32 bits of input at a time: a group, a word
    /// and the carry then stay within 64 bits, and the division by a constant compiles to a multiplication.
    private static func fill(
        _ groups: UnsafeMutableBufferPointer<UInt64>, from bytes: UnsafeBufferPointer<UInt8>
    ) -> Int? {
        var used = 0
        var offset = 0
        while offset < bytes.count {
            let end = offset &+ ((bytes.count &- offset) & 3 == 0 ? 4 : (bytes.count &- offset) & 3)
            var carry: UInt64 = 0
            while offset < end {
                carry = carry << 8 | UInt64(bytes[offset])
                offset &+= 1
            }
            for index in 0..<used {
                let value = groups[index] << 32 | carry
                carry = value / groupRadix
                groups[index] = value &- carry &* groupRadix
            }
            while carry != 0 {
                guard used < groups.count else { return nil }
                groups[used] = carry % groupRadix
                carry /= groupRadix
                used &+= 1
            }
        }
        return used
    }

    /// Writes the groups' digits to the end of `text`, and `zeros` zero digits before them.
    ///
    /// - Returns: where the text starts.
    private static func write(
        _ groups: Slice<UnsafeMutableBufferPointer<UInt64>>, behind zeros: Int,
        into text: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        guard groups.count &* digitsPerGroup &+ zeros <= text.count else { return nil }
        let digits = table.digits
        var start = text.count
        for (index, group) in groups.enumerated() {
            var rest = group
            let isTop = index == groups.count &- 1
            for _ in 0..<digitsPerGroup {
                if isTop, rest == 0 { break }
                start &-= 1
                text[start] = digits[Int(truncatingIfNeeded: rest % radix)]
                rest /= radix
            }
        }
        for _ in 0..<zeros {
            start &-= 1
            text[start] = digits[0]
        }
        return start
    }

    public static func decode(
        utf8 text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(BaseError) {
        guard text.count <= PositionalLimit.digits else {
            throw .tooLong(count: text.count, maximum: PositionalLimit.digits)
        }
        let zero = table.digits[0]
        let zeros = text.prefix { $0 == zero }.count
        let failure: BaseError? = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: PositionalLimit.limbs) {
            limbs in
            var used = 0
            if let failure = accumulate(text, from: zeros, into: limbs, &used) { return failure }
            output.append(contentsOf: repeatElement(0, count: zeros))
            guard used > 0 else { return nil }
            var number = UnsafeMutableBufferPointer(rebasing: limbs.prefix(used))
            let leadingBytes = number[used &- 1].leadingZeroBitCount / 8
            number.reverse()
            for index in number.indices { number[index] = number[index].bigEndian }
            output.append(contentsOf: UnsafeRawBufferPointer(number).dropFirst(leadingBytes))
            return nil
        }
        if let failure { throw failure }
    }

    /// Multiplies 64-bit limbs, least significant first, by two groups' radix and adds their digits, until all are in.
    private static func accumulate(
        _ text: UnsafeBufferPointer<UInt8>, from start: Int, into limbs: UnsafeMutableBufferPointer<UInt64>,
        _ used: inout Int
    ) -> BaseError? {
        let values = table.values
        var offset = start
        while offset < text.count {
            let end = min(offset &+ 2 &* digitsPerGroup, text.count)
            let isWhole = end &- offset == 2 &* digitsPerGroup
            var factor: UInt64 = isWhole ? groupRadix &* groupRadix : 1
            var carry: UInt64 = 0
            while offset < end {
                let value = values[Int(text[offset])]
                guard value != DigitTable.none else { return .invalidDigit(text[offset], offset: offset) }
                carry = carry &* radix &+ UInt64(value)
                if !isWhole { factor = factor &* radix }
                offset &+= 1
            }
            for index in 0..<used {
                let product = limbs[index].multipliedFullWidth(by: factor)
                let (sum, overflow) = product.low.addingReportingOverflow(carry)
                limbs[index] = sum
                carry = product.high &+ (overflow ? 1 : 0)
            }
            if carry != 0 {
                guard used < limbs.count else {
                    return .tooLong(count: text.count, maximum: PositionalLimit.digits)
                }
                limbs[used] = carry
                used &+= 1
            }
        }
        return nil
    }
}

/// Base58 with Bitcoin's alphabet (multibase `z`), for at most 160 bytes or 256 digits.
///
/// - Complexity: O(n²) in the length, a few hundred word operations for a peer id.
public enum Base58: PositionalBase {
    static let table = DigitTable("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", foldingCase: false)
    static var radix: UInt64 { 58 }
    static var digitsPerGroup: Int { 5 }
    static var groupRadix: UInt64 { 656_356_768 }
}

/// Base36, lower case out and either case in (multibase `k`), for at most 160 bytes or 256 digits.
///
/// - Complexity: O(n²) in the length.
public enum Base36: PositionalBase {
    static let table = DigitTable("0123456789abcdefghijklmnopqrstuvwxyz", foldingCase: true)
    static var radix: UInt64 { 36 }
    static var digitsPerGroup: Int { 6 }
    static var groupRadix: UInt64 { 2_176_782_336 }
}
