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

    private let bytes: UnsafeBufferPointer<UInt8>
    private var offset = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// - Returns: nil at the end.
    /// - Throws: ``KadFault/malformed`` where no field begins, or one goes on behind the end. Groups, which no message of
    ///   these protocols has, count as such.
    mutating func next() throws(KadFault) -> Field? {
        guard offset < bytes.count else { return nil }
        let start = offset
        let tag = try number()
        let count: UInt64
        switch tag & 7 {
        case 0:
            let before = offset
            _ = try number()
            return Field(number: tag >> 3, range: start..<offset, count: offset - before)
        case 1: count = 8
        case 2: count = try number()
        case 5: count = 4
        default: throw .malformed
        }
        guard count <= UInt64(bytes.count - offset) else { throw .malformed }
        offset += Int(count)
        return Field(number: tag >> 3, range: start..<offset, count: Int(count))
    }

    private mutating func number() throws(KadFault) -> UInt64 {
        do throws(VarintError) {
            return try Varint.read(from: bytes, at: &offset)
        } catch {
            throw .malformed
        }
    }
}
