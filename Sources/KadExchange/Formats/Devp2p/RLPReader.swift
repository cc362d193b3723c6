/// Walks over the items of one list of Recursive Length Prefix encoding (Ethereum's yellow paper, appendix B). A list inside
/// is one item: it is not gone into, so there is no recursion.
struct RLPReader {
    enum Item {
        case bytes(ArraySlice<UInt8>)
        /// What stands inside of a list.
        case list(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next item; nil at the end.
    mutating func next() throws(NodeRecordError) -> Item? {
        guard let first = rest.popFirst() else { return nil }
        switch first {
        case ..<0x80: return .bytes([first])
        case ..<0xc0:
            let bytes = try take(try length(first - 0x80))
            // A byte that stands for itself has no other form.
            guard bytes.count != 1 || bytes.first ?? 0 >= 0x80 else { throw .encoding }
            return .bytes(bytes)
        default: return .list(try take(try length(first - 0xc0)))
        }
    }

    /// The length that a first byte gives, up to 55, or that as many bytes behind it as it is above that give.
    private mutating func length(_ code: UInt8) throws(NodeRecordError) -> Int {
        guard code > 55 else { return Int(code) }
        let digits = try take(Int(code - 55))
        // Nothing that is read here comes near 64 KiB.
        guard digits.count <= 2, digits.first != 0 else { throw .encoding }
        let length = digits.reduce(0) { $0 << 8 | Int($1) }
        guard length > 55 else { throw .encoding }
        return length
    }

    private mutating func take(_ count: Int) throws(NodeRecordError) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw .cutOff }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}

/// Writes Recursive Length Prefix encoding.
enum RLPWriter {
    static func append(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
        if bytes.count != 1 || bytes.first ?? 0 >= 0x80 { appendLength(bytes.count, 0x80, to: &output) }
        output.append(contentsOf: bytes)
    }

    /// A number without leading zeros.
    static func append(_ number: UInt16, to output: inout [UInt8]) {
        let bytes = [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
        append(bytes.drop { $0 == 0 }, to: &output)
    }

    /// A list of items that are encoded already.
    static func append(list: [UInt8], to output: inout [UInt8]) {
        appendLength(list.count, 0xc0, to: &output)
        output.append(contentsOf: list)
    }

    private static func appendLength(_ count: Int, _ mark: UInt8, to output: inout [UInt8]) {
        guard count > 55 else { return output.append(mark + UInt8(truncatingIfNeeded: count)) }
        let digits = [count >> 8, count].map { UInt8(truncatingIfNeeded: $0) }.drop { $0 == 0 }
        output.append(mark + 55 + UInt8(truncatingIfNeeded: digits.count))
        output.append(contentsOf: digits)
    }
}
