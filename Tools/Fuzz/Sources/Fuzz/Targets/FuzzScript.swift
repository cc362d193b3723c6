import Kademlia
import NIOCore

/// The bytes of a fuzzer as the decisions of an attacker or of chance. When none is left, every decision is 0, which is the
/// honest one.
struct FuzzScript {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isOver: Bool { rest.isEmpty }

    mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

    /// A number below `limit`, which is at most 65,536.
    mutating func number(below limit: Int) -> Int {
        let number = limit > 256 ? byte() << 8 | byte() : byte()
        return limit > 0 ? number % limit : 0
    }

    /// How much is said at once: mostly little, now and then more than fits in one of anything.
    mutating func length() -> Int {
        let length = byte()
        return length < 240 ? length : (length - 239) << 13
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// One of several.
    mutating func choice<Element>(of elements: [Element]) -> Element { elements[number(below: elements.count)] }

    /// Takes a piece from the front of what is under way: all of it, or as much as the script says.
    mutating func piece(of buffer: inout ByteBuffer) -> ByteBuffer {
        let size = byte()
        let count = size < 128 ? buffer.readableBytes : min(buffer.readableBytes, (size - 127) * (size - 127))
        return buffer.readSlice(length: count) ?? ByteBuffer()
    }

    /// What somebody on the way does to some bytes: mostly nothing.
    ///
    /// - Returns: whether they are other bytes now.
    mutating func tamper(with bytes: inout [UInt8]) -> Bool {
        guard byte() >= 224 else { return false }
        let before = bytes
        let place = number(below: bytes.count + 1)
        switch byte() % 5 {
        case 0 where place < bytes.count: bytes[place] ^= UInt8(max(1, byte()))
        case 1: bytes.removeSubrange(place...)
        case 2: bytes.insert(contentsOf: self.bytes(byte()), at: place)
        case 3: bytes.insert(contentsOf: bytes.prefix(place), at: place)
        default: bytes.removeSubrange(..<place)
        }
        return bytes != before
    }

    /// The same to what is under way.
    mutating func tamper(with buffer: inout ByteBuffer) -> Bool {
        var bytes = Array(buffer.readableBytesView)
        guard tamper(with: &bytes) else { return false }
        buffer = ByteBuffer(bytes: bytes)
        return true
    }
}
