/// What is wrong with JSON text.
public enum JSONProblem: Hashable, Sendable, CustomStringConvertible {
    /// The text ends in the middle of a value.
    case cutOff
    /// A byte that cannot stand there.
    case unexpected(UInt8)
    case tooDeep(limit: Int)
    case badEscape
    /// Half of a surrogate pair, which stands for no character.
    case loneSurrogate
    /// A control character inside a string.
    case control(UInt8)
    case badNumber
    case badLiteral

    public var description: String {
        switch self {
        case .cutOff: "it ends in the middle"
        case .unexpected(let byte): "unexpected \(Self.name(byte))"
        case .tooDeep(let limit): "nested deeper than \(limit)"
        case .badEscape: "an unknown escape"
        case .loneSurrogate: "half of a surrogate pair"
        case .control(let byte): "control character \(Self.name(byte)) in a string"
        case .badNumber: "a malformed number"
        case .badLiteral: "an unknown word"
        }
    }

    private static func name(_ byte: UInt8) -> String {
        (0x21..<0x7f).contains(byte) ? "'\(Unicode.Scalar(byte))'" : "byte 0x\(String(byte, radix: 16))"
    }
}

/// Reads JSON (RFC 8259) from left to right, straight from UTF-8: the caller says what it expects, and nothing is built
/// that it does not ask for. Own, because a general decoder costs 20 times as much a line, and recurses as deep as a file
/// tells it to.
struct JSONReader {
    let bytes: UnsafeBufferPointer<UInt8>
    private(set) var offset = 0

    /// Values that are skipped may be nested this deep.
    static let depthLimit = 32

    /// - Parameter bytes: well-formed UTF-8.
    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// A string as it stands in the text, between its quotes.
    struct Text {
        let raw: UnsafeBufferPointer<UInt8>
        let hasEscapes: Bool
        fileprivate let offset: Int

        /// Calls `body` with the characters that the string stands for.
        func withUTF8<Value>(
            _ body: (UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> Value
        ) throws(RejectionReason) -> Value {
            guard hasEscapes else { return try body(raw) }
            let plain = try unescaped()
            return try plain.withUnsafeBufferPointer { (buffer) throws(RejectionReason) in try body(buffer) }
        }

        func string() throws(RejectionReason) -> String {
            if hasEscapes { return String(decoding: try unescaped(), as: UTF8.self) }
            return String(decoding: raw, as: UTF8.self)
        }

        func equals(_ name: StaticString) -> Bool {
            guard hasEscapes else { return raw.equals(name) }
            return (try? unescaped().withUnsafeBufferPointer { $0.equals(name) }) ?? false
        }
    }

    // MARK: Values

    /// Reads an object; `member` must read or skip each value.
    mutating func object(
        _ member: (Text, inout JSONReader) throws(RejectionReason) -> Void
    ) throws(RejectionReason) {
        try expect("{")
        if take("}") { return }
        repeat {
            try member(try name(), &self)
        } while take(",")
        try expect("}")
    }

    /// Reads an array; `element` must read or skip each value.
    mutating func array(_ element: (inout JSONReader) throws(RejectionReason) -> Void) throws(RejectionReason) {
        try expect("[")
        if take("]") { return }
        repeat { try element(&self) } while take(",")
        try expect("]")
    }

    mutating func text() throws(RejectionReason) -> Text {
        try expect("\"")
        let start = offset
        var hasEscapes = false
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return Text(raw: bytes.part(start..<(offset - 1)), hasEscapes: hasEscapes, offset: start)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                offset += 2
            case let byte where byte < 0x20: throw problem(.control(byte))
            default: offset += 1
            }
        }
        throw problem(.cutOff)
    }

    /// A whole number; nil for any other value, which is skipped.
    mutating func integer() throws(RejectionReason) -> Int64? {
        skipBlanks()
        let start = offset
        try skip()
        return Decimal.parse(bytes.part(start..<offset))
    }

    /// A boolean; nil for any other value, which is skipped.
    mutating func boolean() throws(RejectionReason) -> Bool? {
        skipBlanks()
        let start = offset
        try skip()
        let word = bytes.part(start..<offset)
        return word.equals("true") ? true : word.equals("false") ? false : nil
    }

    /// Takes a `null`, if that is what comes next.
    mutating func takeNull() throws(RejectionReason) -> Bool {
        guard next == UInt8(ascii: "n") else { return false }
        try skip()
        return true
    }

    /// The first byte of the next value; nil at the end.
    var next: UInt8? {
        mutating get {
            skipBlanks()
            return offset < bytes.count ? bytes[offset] : nil
        }
    }

    /// Runs over one value of whatever kind, without recursion.
    mutating func skip() throws(RejectionReason) {
        // A bit a level: whether it is an object.
        var kinds: UInt64 = 0
        var depth = 0
        while true {
            guard let byte = next else { throw problem(.cutOff) }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < Self.depthLimit else { throw problem(.tooDeep(limit: Self.depthLimit)) }
                offset += 1
                if take(byte == UInt8(ascii: "{") ? "}" : "]") { break }
                kinds = kinds << 1 | (byte == UInt8(ascii: "{") ? 1 : 0)
                depth += 1
                if kinds & 1 == 1 { try name() }
                continue
            case UInt8(ascii: "\""): _ = try text()
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
            default: try word()
            }
            while true {
                if depth == 0 { return }
                if take(",") {
                    if kinds & 1 == 1 { try name() }
                    break
                }
                try expect(kinds & 1 == 1 ? "}" : "]")
                kinds >>= 1
                depth -= 1
            }
        }
    }

    /// Checks that nothing but blanks follows.
    mutating func finish() throws(RejectionReason) {
        if let byte = next { throw problem(.unexpected(byte)) }
    }

    // MARK: Parts

    /// The name of a member, and the colon behind it.
    @discardableResult
    mutating func name() throws(RejectionReason) -> Text {
        let name = try text()
        try expect(":")
        return name
    }

    private mutating func number() throws(RejectionReason) {
        _ = takeByte("-")
        let digits = run()
        guard digits > 0 else { throw problem(.badNumber) }
        if takeByte("."), run() == 0 { throw problem(.badNumber) }
        if takeByte("e") || takeByte("E") {
            _ = takeByte("+") || takeByte("-")
            if run() == 0 { throw problem(.badNumber) }
        }
    }

    private mutating func run() -> Int {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset += 1 }
        return offset - start
    }

    private mutating func word() throws(RejectionReason) {
        for literal: StaticString in ["true", "false", "null"] {
            let end = offset + literal.utf8CodeUnitCount
            if end <= bytes.count, bytes.part(offset..<end).equals(literal) {
                offset = end
                return
            }
        }
        throw problem(
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[offset]) ? .badLiteral : .unexpected(bytes[offset]))
    }

    private mutating func skipBlanks() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0a, 0x0d: offset += 1
            default: return
            }
        }
    }

    private mutating func takeByte(_ character: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        return takeByte(character)
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(RejectionReason) {
        if take(character) { return }
        throw problem(offset < bytes.count ? .unexpected(bytes[offset]) : .cutOff)
    }

    private func problem(_ problem: JSONProblem) -> RejectionReason {
        .json(problem, offset: min(offset, bytes.count))
    }
}

extension JSONReader.Text {
    private func unescaped() throws(RejectionReason) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            guard raw[index] == UInt8(ascii: "\\") else {
                plain.append(raw[index])
                index += 1
                continue
            }
            guard index + 1 < raw.count else { throw .json(.badEscape, offset: offset + index) }
            switch raw[index + 1] {
            case UInt8(ascii: "u"):
                var value = try unit(at: index)
                index += 6
                if 0xd800..<0xdc00 ~= value, index + 1 < raw.count, raw[index] == UInt8(ascii: "\\"),
                    raw[index + 1] == UInt8(ascii: "u"), case let low = try unit(at: index), 0xdc00..<0xe000 ~= low
                {
                    value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
                    index += 6
                }
                guard let scalar = Unicode.Scalar(value) else { throw .json(.loneSurrogate, offset: offset + index) }
                plain.append(contentsOf: Character(scalar).utf8)
                continue
            case UInt8(ascii: "\""): plain.append(UInt8(ascii: "\""))
            case UInt8(ascii: "\\"): plain.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "/"): plain.append(UInt8(ascii: "/"))
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0c)
            case UInt8(ascii: "n"): plain.append(0x0a)
            case UInt8(ascii: "r"): plain.append(0x0d)
            case UInt8(ascii: "t"): plain.append(0x09)
            default: throw .json(.badEscape, offset: offset + index)
            }
            index += 2
        }
        return plain
    }

    /// The UTF-16 unit of the escape at `index`.
    private func unit(at index: Int) throws(RejectionReason) -> UInt32 {
        guard index + 6 <= raw.count else { throw .json(.badEscape, offset: offset + index) }
        var value: UInt32 = 0
        for byte in raw.part((index + 2)..<(index + 6)) {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw .json(.badEscape, offset: offset + index)
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
