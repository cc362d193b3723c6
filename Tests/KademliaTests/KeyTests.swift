import Kademlia
import TestSupport
import Testing

@Suite("Key")
struct KeyTests {
    @Test("Bytes become words most significant first, and come back")
    func roundTrip() throws {
        let bytes = (1...32).map { UInt8($0) }
        let key = try #require(Key(bytes: bytes))
        #expect(key.word0 == 0x0102_0304_0506_0708)
        #expect(key.word3 == 0x191a_1b1c_1d1e_1f20)
        #expect(key.bytes() == bytes)
        #expect(bytes.withUnsafeBytes { Key(bytes: $0) } == key)
    }

    @Test("Narrow keys are padded with zeros at the end", arguments: [1, 7, 8, 9, 16, 20, 31])
    func narrow(count: Int) throws {
        let bytes = (1...count).map { UInt8($0) }
        let key = try #require(Key(bytes: bytes))
        #expect(key.bytes() == bytes + [UInt8](repeating: 0, count: 32 - count))
        #expect(key.bytes(count: count) == bytes)
        #expect(bytes.withUnsafeBytes { Key(bytes: $0) } == key)
    }

    @Test("A raw buffer needs no alignment")
    func unaligned() {
        let bytes = (0...32).map { UInt8($0) }
        let key = bytes.withUnsafeBytes { Key(bytes: UnsafeRawBufferPointer(rebasing: $0[1...])) }
        #expect(key?.bytes() == Array(bytes[1...]))
    }

    @Test("No bytes and more than 32 are no key", arguments: [0, 33, 64])
    func wrongLength(count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        #expect(Key(bytes: bytes) == nil)
        #expect(bytes.withUnsafeBytes { Key(bytes: $0) } == nil)
        #expect(Key(hex: String(repeating: "01", count: count)) == nil)
    }

    @Test("Hexadecimal text is read in either case and written in lower case")
    func hexadecimal() throws {
        let key = try #require(Key(hex: "DEADbeef"))
        #expect(key.hex(byteCount: 4) == "deadbeef")
        #expect(key.description == "deadbeef" + String(repeating: "0", count: 56))
        #expect(Key(hex: "abc") == nil)
        #expect(Key(hex: "zz") == nil)
        #expect(Key(hex: "é0") == nil)
    }

    @Test("Numeric order is the order of the bytes", arguments: Seeds.first(4))
    func order(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let left = Key.random(using: &generator)
            let right = KeySet.key(near: left, bits: 256, using: &generator)
            #expect((left < right) == left.bytes().lexicographicallyPrecedes(right.bytes()))
        }
    }

    @Test("Distance, prefix length and bits are those of the bytes", arguments: Seeds.first(4))
    func distance(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let left = Key.random(using: &generator)
            let right = KeySet.key(near: left, bits: 256, using: &generator)
            let distance = left.distance(to: right)
            let bytes = Oracle.distance(left, right)
            #expect(Key.zero.advanced(by: distance).bytes() == bytes)
            #expect(left.advanced(by: distance) == right)
            #expect(right.distance(to: left) == distance)
            let length = Oracle.commonPrefixLength(left, right)
            #expect(left.commonPrefixLength(with: right) == length)
            if length < 256 {
                #expect(distance[bit: length])
                #expect(left[bit: length] != right[bit: length])
                #expect(left.flippingBit(length).commonPrefixLength(with: right) > length)
            }
        }
    }

    @Test("Distances are ordered as numbers, and obey the triangle inequality of XOR", arguments: Seeds.first(4))
    func metric(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let target = Key.random(using: &generator)
            let near = KeySet.key(near: target, bits: 256, using: &generator)
            let far = KeySet.key(near: near, bits: 256, using: &generator)
            let isNearer = near.distance(to: target) < far.distance(to: target)
            #expect(
                isNearer
                    == Oracle.distance(near, target).lexicographicallyPrecedes(Oracle.distance(far, target)))
            // d(a, c) = d(a, b) XOR d(b, c)
            #expect(
                near.advanced(by: far.distance(to: target)).distance(to: near) == target.distance(to: far))
        }
        #expect(Distance.zero < Distance.max)
        #expect(Distance.zero.leadingZeroBitCount == 256)
        #expect(Distance.max.leadingZeroBitCount == 0)
    }

    @Test("The bounds of a prefix enclose exactly the keys that share it", arguments: Seeds.first(4))
    func prefixBounds(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for length in [0, 1, 63, 64, 65, 127, 128, 129, 192, 255, 256] {
            let key = Key.random(using: &generator)
            let lower = key.lowerBound(prefix: length)
            let upper = key.upperBound(prefix: length)
            #expect(lower <= key && key <= upper)
            #expect(lower.commonPrefixLength(with: key) >= length)
            #expect(upper.commonPrefixLength(with: key) >= length)
            if let below = lower.predecessor { #expect(below.commonPrefixLength(with: key) < length) }
            if let above = upper.successor { #expect(above.commonPrefixLength(with: key) < length) }
        }
    }

    @Test("Successor and predecessor carry across words, and end at the ends")
    func neighbours() {
        #expect(Key(0, 0, 0, .max).successor == Key(0, 0, 1, 0))
        #expect(Key(0, .max, .max, .max).successor == Key(1, 0, 0, 0))
        #expect(Key(1, 0, 0, 0).predecessor == Key(0, .max, .max, .max))
        #expect(Key.max.successor == nil)
        #expect(Key.zero.predecessor == nil)
    }

    @Test("Each bit can be set and cleared alone")
    func bits() {
        for index in 0..<256 {
            var key = Key.zero
            key[bit: index] = true
            #expect(key == Key.zero.flippingBit(index))
            #expect(key.bytes()[index / 8] == 0x80 >> UInt8(index % 8))
            key[bit: index] = false
            #expect(key == .zero)
        }
    }
}
