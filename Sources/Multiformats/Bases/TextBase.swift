/// Why text is none of its base.
public enum BaseError: Error, Hashable, Sendable, CustomStringConvertible {
    /// More digits than the base's limit.
    case tooLong(count: Int, maximum: Int)
    /// A byte that is no digit of the base, and where it stands.
    case invalidDigit(UInt8, offset: Int)
    /// A number of digits that no bytes encode to.
    case invalidLength(Int)
    /// The last digit has bits behind the last byte, so that other text would mean the same bytes.
    case strayBits

    public var description: String {
        switch self {
        case .tooLong(let count, let maximum): "\(count) digits are more than \(maximum)"
        case .invalidDigit(let byte, let offset): "byte 0x\(String(byte, radix: 16)) at \(offset) is no digit"
        case .invalidLength(let count): "\(count) digits encode no whole number of bytes"
        case .strayBits: "the last digit has bits behind the last byte"
        }
    }
}

/// A base that writes bytes as ASCII digits.
public protocol TextBase: Sendable {
    /// Appends the text of `bytes` as ASCII.
    ///
    /// - Returns: false, with nothing appended, when the bytes are more than the base's limit.
    @discardableResult
    static func append(encoding bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) -> Bool

    /// Appends the bytes that `text` stands for. On failure nothing is appended.
    static func decode(
        utf8 text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(BaseError)
}

extension TextBase {
    /// Appends the text of `bytes` as ASCII; false when they are more than the base's limit.
    @discardableResult
    public static func append(_ bytes: ArraySlice<UInt8>, to output: inout [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { append(encoding: $0, to: &output) }
    }

    /// The text of `bytes`; nil when they are more than the base's limit.
    public static func encode(_ bytes: ArraySlice<UInt8>) -> String? {
        var text: [UInt8] = []
        return append(bytes, to: &text) ? String(decoding: text, as: UTF8.self) : nil
    }

    /// The text of `bytes`; nil when they are more than the base's limit.
    public static func encode(_ bytes: [UInt8]) -> String? { encode(bytes[...]) }

    /// The bytes that `text` stands for.
    public static func decode(_ text: some StringProtocol) throws(BaseError) -> [UInt8] {
        try withUTF8(of: text) { (utf8) throws(BaseError) in
            var bytes: [UInt8] = []
            try decode(utf8: utf8, appendingTo: &bytes)
            return bytes
        }
    }
}

/// The digits of a base, and each byte's value as a digit.
struct DigitTable: Sendable {
    static let none: UInt8 = 0xff

    let digits: [UInt8]

    /// 256 values, `none` for a byte that is no digit.
    let values: [UInt8]

    /// - Parameter foldingCase: whether letters count in either case; the digits then hold lower-case letters only.
    init(_ alphabet: String, foldingCase: Bool) {
        let digits = Array(alphabet.utf8)
        var values = [UInt8](repeating: Self.none, count: 256)
        for (value, digit) in digits.enumerated() {
            values[Int(digit)] = UInt8(truncatingIfNeeded: value)
            if foldingCase, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(digit) {
                values[Int(digit ^ 0x20)] = UInt8(truncatingIfNeeded: value)
            }
        }
        self.digits = digits
        self.values = values
    }
}
