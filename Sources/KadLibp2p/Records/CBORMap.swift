/// A flat map of DAG-CBOR: text to numbers and byte strings. Other values are passed over, so that later versions of a record
/// may have more fields.
///
/// Deterministic forms only, as DAG-CBOR demands: shortest lengths, no indefinite ones, each key once. The order of keys is not
/// looked at, for writers of the past had different ones.
struct CBORMap: Hashable, Sendable {
    enum Value: Hashable, Sendable {
        case number(UInt64)
        case bytes([UInt8])
        case other
    }

    /// The most keys that a map may have.
    static let keyLimit = 64

    private(set) var values: [String: Value] = [:]

    /// - Returns: nil for bytes that are not exactly one such map.
    /// - Complexity: O(bytes), without recursion.
    init?(_ bytes: [UInt8]) {
        var reader = CBORReader(bytes)
        guard let head = reader.head(), head.major == .map, head.argument <= UInt64(Self.keyLimit) else { return nil }
        for _ in 0..<head.argument {
            guard let keyHead = reader.head(), keyHead.major == .text, let name = reader.bytes(keyHead.argument),
                let key = String(validating: name, as: UTF8.self), values[key] == nil,
                let value = Self.value(&reader)
            else { return nil }
            values[key] = value
        }
        guard reader.isAtEnd else { return nil }
    }

    private static func value(_ reader: inout CBORReader) -> Value? {
        let start = reader
        guard let head = reader.head() else { return nil }
        switch head.major {
        case .number: return .number(head.argument)
        case .bytes: return reader.bytes(head.argument).map { .bytes(Array($0)) }
        default:
            reader = start
            return reader.skipItem() ? .other : nil
        }
    }

    func number(_ key: String) -> UInt64? {
        guard case .number(let number)? = values[key] else { return nil }
        return number
    }

    func bytes(_ key: String) -> [UInt8]? {
        guard case .bytes(let bytes)? = values[key] else { return nil }
        return bytes
    }
}

/// Reads the items of CBOR (RFC 8949) from front to back.
private struct CBORReader {
    enum Major: UInt8 {
        case number = 0
        case negative, bytes, text, array, map, tag, simple
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    /// The head of an item: its major type and its number. Nil at the end, for indefinite lengths and for longer forms than
    /// needed.
    mutating func head() -> (major: Major, argument: UInt64)? {
        guard let first = rest.popFirst(), let major = Major(rawValue: first >> 5) else { return nil }
        let short = first & 0x1f
        if short < 24 { return (major, UInt64(short)) }
        guard short <= 27 else { return nil }
        let count = 1 << Int(short - 24)
        guard rest.count >= count else { return nil }
        let argument = rest.prefix(count).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        rest = rest.dropFirst(count)
        // Of a float the bits are what they are; of everything else the shortest form counts.
        guard major != .simple else { return short >= 25 ? (major, argument) : nil }
        let least: UInt64 = count == 1 ? 24 : 1 << UInt64(4 * count)
        return argument >= least ? (major, argument) : nil
    }

    mutating func bytes(_ count: UInt64) -> ArraySlice<UInt8>? {
        guard count <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    /// Passes over one item, with all that is in it.
    mutating func skipItem() -> Bool {
        var left: UInt64 = 1
        while left > 0 {
            guard let (major, argument) = head() else { return false }
            left -= 1
            switch major {
            case .number, .negative, .simple: break
            case .bytes, .text: guard bytes(argument) != nil else { return false }
            case .array, .map:
                // Every item takes a byte at least: more than are left cannot come.
                guard argument <= UInt64(rest.count) else { return false }
                left += major == .map ? 2 * argument : argument
            case .tag: left += 1
            }
            guard left <= UInt64(rest.count) else { return false }
        }
        return true
    }
}
