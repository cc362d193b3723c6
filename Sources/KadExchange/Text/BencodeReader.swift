/// What is wrong with bencoded bytes.
public enum BencodeProblem: Hashable, Sendable, CustomStringConvertible {
    /// The bytes end in the middle of a value.
    case cutOff
    case unexpected(UInt8)
    /// A string whose length runs over the end.
    case lengthOverEnd(UInt64)
    case badLength
    case badInteger
    case tooDeep(limit: Int)
    /// A dictionary's key that is no string.
    case badKey
    case notADictionary

    public var description: String {
        switch self {
        case .cutOff: "it ends in the middle"
        case .unexpected(let byte): "unexpected byte 0x\(String(byte, radix: 16))"
        case .lengthOverEnd(let length): "a string of \(length) bytes runs over the end"
        case .badLength: "a malformed length"
        case .badInteger: "a malformed number"
        case .tooDeep(let limit): "nested deeper than \(limit)"
        case .badKey: "the key of a dictionary is no string"
        case .notADictionary: "it is no dictionary"
        }
    }
}

/// Walks over bencoded bytes (BEP 3) value by value, without recursion and without building a tree: what stands before a
/// fault has been delivered.
struct BencodeReader {
    enum Event {
        case key(Range<Int>)
        case string(Range<Int>)
        case integer(Int64)
        case beginDictionary
        case beginList
        /// A dictionary or list ends.
        case end
    }

    let bytes: [UInt8]
    private(set) var offset = 0
    /// Open dictionaries and lists, the innermost last.
    private var open: [Bool] = []
    private var expectsKey = false
    private var isDone = false

    static let depthLimit = 32

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var depth: Int { open.count }

    /// The next event; nil behind the one value that the bytes hold.
    mutating func next() throws(RejectionReason) -> Event? {
        guard !isDone else { return nil }
        guard offset < bytes.count else { throw .bencode(.cutOff) }
        let byte = bytes[offset]
        if byte == UInt8(ascii: "e"), let isDictionary = open.last {
            guard expectsKey || !isDictionary else { throw .bencode(.unexpected(byte)) }
            offset += 1
            open.removeLast()
            valueEnded()
            return .end
        }
        if expectsKey {
            guard byte &- UInt8(ascii: "0") < 10 else { throw .bencode(.badKey) }
            expectsKey = false
            return .key(try string())
        }
        switch byte {
        case UInt8(ascii: "d"), UInt8(ascii: "l"):
            guard open.count < Self.depthLimit else { throw .bencode(.tooDeep(limit: Self.depthLimit)) }
            offset += 1
            let isDictionary = byte == UInt8(ascii: "d")
            open.append(isDictionary)
            expectsKey = isDictionary
            return isDictionary ? .beginDictionary : .beginList
        case UInt8(ascii: "i"):
            let value = try integer()
            valueEnded()
            return .integer(value)
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            let range = try string()
            valueEnded()
            return .string(range)
        default: throw .bencode(.unexpected(byte))
        }
    }

    private mutating func valueEnded() {
        expectsKey = open.last ?? false
        isDone = open.isEmpty
    }

    private mutating func string() throws(RejectionReason) -> Range<Int> {
        var length: UInt64 = 0
        var index = offset
        while index < bytes.count, bytes[index] &- UInt8(ascii: "0") < 10 {
            guard index - offset < 18 else { throw .bencode(.badLength) }
            length = length * 10 + UInt64(bytes[index] - UInt8(ascii: "0"))
            index += 1
        }
        guard index < bytes.count else { throw .bencode(.cutOff) }
        guard bytes[index] == UInt8(ascii: ":") else { throw .bencode(.badLength) }
        index += 1
        guard length <= UInt64(bytes.count - index) else { throw .bencode(.lengthOverEnd(length)) }
        offset = index + Int(length)
        return index..<offset
    }

    private mutating func integer() throws(RejectionReason) -> Int64 {
        let start = offset + 1
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "e")) else { throw .bencode(.cutOff) }
        let value = bytes.withUnsafeBufferPointer { Decimal.parse($0.part(start..<end)) }
        guard let value else { throw .bencode(.badInteger) }
        offset = end + 1
        return value
    }
}
