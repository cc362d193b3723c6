import Multiformats

/// The fields of a protobuf message, from front to back, without what is in them.
///
/// A decoder makes a value of every repeated field, which takes some 70 bytes of memory for 2 of the wire. So fields are
/// counted here before it sees them.
struct MessageFields {
    struct Field {
        let number: UInt64
        /// The field with its tag.
        let range: Range<Int>
        /// Bytes of what it holds, without tag and length.
        let count: Int
    }

    private var rest: ArraySlice<UInt8>

    init(_ message: [UInt8]) { rest = message[...] }

    /// - Returns: nil at the end.
    /// - Throws: ``KadFault/malformed`` where no field begins, or one goes on behind the end. Groups, which no message of
    ///   these protocols has, count as such.
    mutating func next() throws(KadFault) -> Field? {
        guard !rest.isEmpty else { return nil }
        let start = rest.startIndex
        let tag = try number()
        let count: UInt64
        switch tag & 7 {
        case 0:
            let before = rest.startIndex
            _ = try number()
            return Field(number: tag >> 3, range: start..<rest.startIndex, count: rest.startIndex - before)
        case 1: count = 8
        case 2: count = try number()
        case 5: count = 4
        default: throw .malformed
        }
        guard count <= UInt64(rest.count) else { throw .malformed }
        rest = rest.dropFirst(Int(count))
        return Field(number: tag >> 3, range: start..<rest.startIndex, count: Int(count))
    }

    private mutating func number() throws(KadFault) -> UInt64 {
        do throws(VarintError) {
            return try Varint.read(from: &rest)
        } catch {
            throw .malformed
        }
    }
}
