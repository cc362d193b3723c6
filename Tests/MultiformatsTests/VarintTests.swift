import Kademlia
import Multiformats
import Testing

@Suite("Varint")
struct VarintTests {
    @Test(
        "The examples of the unsigned-varint specification hold in both directions",
        arguments: [
            (0 as UInt64, "00"), (1, "01"), (127, "7f"), (128, "8001"), (255, "ff01"), (300, "ac02"),
            (16384, "808001"), (.max >> 1, "ffffffffffffffff7f"), (.max, "ffffffffffffffffff01"),
        ])
    func examples(value: UInt64, text: String) throws {
        var bytes: [UInt8] = [9]
        Varint.append(value, to: &bytes)
        #expect(bytes == [9] + hex(text))
        #expect(Varint.byteCount(of: value) == bytes.count - 1)
        var rest = bytes.dropFirst() + [7]
        #expect(try Varint.read(from: &rest) == value)
        #expect(rest == [7])
    }

    @Test("Every width of number round-trips, with its predicted length")
    func widths() throws {
        for bit in 0..<64 {
            let power: UInt64 = 1 << UInt64(bit)
            for value in [power, power - 1, UInt64.max >> UInt64(bit)] {
                var bytes: [UInt8] = []
                Varint.append(value, to: &bytes)
                #expect(bytes.count == Varint.byteCount(of: value))
                var rest = bytes[...]
                #expect(try Varint.read(from: &rest) == value)
                #expect(rest.isEmpty)
            }
        }
    }

    @Test(
        "What is cut, longer than needed or over the limit is refused, and nothing is consumed",
        arguments: [
            ("", VarintError.truncated, 10), ("80", .truncated, 10), ("ffff", .truncated, 10),
            ("8000", .notMinimal, 10),
            ("ff8000", .notMinimal, 10), ("ffffffffffffffffff02", .tooLong(maximum: 10), 10),
            ("ffffffffffffffffffff01", .tooLong(maximum: 10), 10), ("ffffffffffffffffff01", .tooLong(maximum: 9), 9),
            ("808001", .tooLong(maximum: 2), 2), ("ffffffffffffffffff01", .tooLong(maximum: 9), 9),
        ])
    func refused(text: String, error: VarintError, limit: Int) {
        var rest = hex(text)[...]
        #expect(throws: error) { try Varint.read(from: &rest, byteLimit: limit) }
        #expect(Array(rest) == hex(text))
    }

    @Test("Whatever bytes are read, what is consumed is the shortest form of the number", arguments: [11 as UInt64])
    func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<5000 {
            let bytes = generator.bytes(round % 12).map { round % 3 == 0 ? $0 | 0x80 : $0 }
            var rest = bytes[...]
            guard let value = try? Varint.read(from: &rest) else { continue }
            var again: [UInt8] = []
            Varint.append(value, to: &again)
            #expect(again + rest == bytes, "seed \(seed), round \(round)")
        }
    }
}
