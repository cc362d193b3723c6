import Kademlia
import Multiformats

/// Reads what a payload is made of, with every length checked.
struct PayloadReader {
    private let payload: ArraySlice<UInt8>
    private var position: Int

    static let damaged = StoreError.invalidRecord("a temporary file of the import has changed; run it again")

    init(_ payload: ArraySlice<UInt8>) {
        self.payload = payload
        position = payload.startIndex
    }

    private var left: Int { payload.endIndex - position }

    mutating func byte() throws -> UInt8 {
        guard left > 0 else { throw Self.damaged }
        defer { position += 1 }
        return payload[position]
    }

    mutating func flag() throws -> Bool { try byte() == 1 }

    mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            guard shift < 63 || byte <= 1 else { throw Self.damaged }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    mutating func integer() throws -> Int64 {
        let zigzag = try varint()
        return Int64(bitPattern: (zigzag >> 1) ^ (0 &- (zigzag & 1)))
    }

    mutating func instant() throws -> Instant? {
        try flag() ? Instant(milliseconds: try integer()) : nil
    }

    /// Bytes with their length before them.
    mutating func bytes() throws -> ArraySlice<UInt8> { try take(try varint()) }

    /// Bytes with their length before them, in four bytes.
    mutating func frame() throws -> ArraySlice<UInt8> {
        var count: UInt64 = 0
        for shift in [UInt64(0), 8, 16, 24] { count |= UInt64(try byte()) << shift }
        return try take(count)
    }

    private mutating func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
        guard count <= UInt64(left) else { throw Self.damaged }
        defer { position += Int(count) }
        return payload[position..<(position + Int(count))]
    }

    /// 0 for nil, else the length plus one.
    mutating func string() throws -> String? {
        let count = try varint()
        return count == 0 ? nil : String(decoding: try take(count - 1), as: UTF8.self)
    }

    /// A number of elements, and the elements.
    mutating func list<Element>(_ element: (inout Self) throws -> Element) throws -> [Element] {
        let count = try varint()
        // Every element takes a byte at least.
        guard count <= UInt64(left) else { throw Self.damaged }
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count { elements.append(try element(&self)) }
        return elements
    }
}
