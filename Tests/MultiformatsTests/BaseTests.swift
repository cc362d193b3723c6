import Kademlia
import Testing

@testable import Multiformats

/// Positional conversion digit by digit: slow, and plainly right.
struct NaiveBase {
    let alphabet: [Character]

    init(_ alphabet: String) { self.alphabet = Array(alphabet) }

    func encode(_ bytes: [UInt8]) -> String {
        var digits: [Int] = []
        for byte in bytes {
            var carry = Int(byte)
            for index in digits.indices {
                carry += digits[index] * 256
                digits[index] = carry % alphabet.count
                carry /= alphabet.count
            }
            while carry > 0 {
                digits.append(carry % alphabet.count)
                carry /= alphabet.count
            }
        }
        let zeros = bytes.prefix { $0 == 0 }.count
        return String(repeating: alphabet[0], count: zeros) + String(digits.reversed().map { alphabet[$0] })
    }
}

@Suite("Text bases")
struct BaseTests {
    @Test(
        "Base58 reproduces the vectors of its specification",
        arguments: [
            ("", ""), ("00", "1"), ("0000", "11"), ("61", "2g"), ("626262", "a3gV"), ("636363", "aPEr"),
            ("48656c6c6f20576f726c6421", "2NEpo7TZRRrLZSi2U"), ("0000287fb4cd", "11233QC4"),
            (
                "54686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f672e",
                "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"
            ),
            ("73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"),
            ("00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"),
            ("516b6fcd0f", "ABnLTmg"), ("10c8511e", "Rt5zm"), ("00000000000000000000", "1111111111"),
        ])
    func base58(bytes: String, text: String) throws {
        #expect(Base58.encode(hex(bytes)) == text)
        #expect(try Base58.decode(text) == hex(bytes))
    }

    @Test(
        "Base32 reproduces the vectors of RFC 4648, without padding",
        arguments: [
            ("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ])
    func base32(bytes: String, text: String) throws {
        #expect(Base32.encode(Array(bytes.utf8)) == text)
        #expect(try Base32.decode(text) == Array(bytes.utf8))
        #expect(try Base32.decode(text.uppercased()) == Array(bytes.utf8))
    }

    @Test(
        "The bases reproduce the multibase specification's vectors",
        arguments: [
            ("yes mani !", "f796573206d616e692021"), ("yes mani !", "bpfsxgidnmfxgsibb"),
            ("yes mani !", "k2lcpzo5yikidynfl"), ("yes mani !", "z7paNL19xttacUY"), ("yes mani !", "meWVzIG1hbmkgIQ"),
            ("yes mani !", "ueWVzIG1hbmkgIQ"), ("yes mani !", "BPFSXGIDNMFXGSIBB"),
            ("yes mani !", "K2LCPZO5YIKIDYNFL"), ("\0yes mani !", "k02lcpzo5yikidynfl"),
            ("\0\0yes mani !", "z117paNL19xttacUY"), ("\0yes mani !", "bab4wk4zanvqw42jaee"),
        ])
    func multibase(plain: String, text: String) throws {
        let prefix = try #require(text.utf8.first)
        let base = try #require(Multibase.base(prefix: prefix))
        var bytes: [UInt8] = []
        try utf8(String(text.dropFirst())) { (digits) throws(BaseError) in
            try base.decode(utf8: digits, appendingTo: &bytes)
        }
        #expect(bytes == Array(plain.utf8))
    }

    @Test("Base58 and base36 agree with digit-by-digit conversion at every length", arguments: [58 as UInt64, 36])
    func oracle(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let naive58 = NaiveBase("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
        let naive36 = NaiveBase("0123456789abcdefghijklmnopqrstuvwxyz")
        for round in 0..<600 {
            let zeros = generator.element(of: [0, 0, 0, 1, 3, 160])
            var bytes = generator.bytes(round % 161)
            for index in 0..<min(zeros, bytes.count) { bytes[index] = 0 }
            if round.isMultiple(of: 7) { bytes = bytes.map { _ in 0xff } }
            #expect(Base58.encode(bytes) == naive58.encode(bytes), "seed \(seed), round \(round)")
            #expect(Base36.encode(bytes) == naive36.encode(bytes), "seed \(seed), round \(round)")
            #expect(try Base58.decode(naive58.encode(bytes)) == bytes, "seed \(seed), round \(round)")
            #expect(try Base36.decode(naive36.encode(bytes)) == bytes, "seed \(seed), round \(round)")
        }
    }

    @Test("Every base round-trips random bytes, and what random text decodes to is encoded as that text")
    func roundTrips() throws {
        let seed: UInt64 = 7
        var generator = SeededGenerator(seed: seed)
        let bases: [(any TextBase.Type, DigitTable)] = [
            (Base58.self, Base58.table), (Base36.self, Base36.table), (Base32.self, Base32.table),
            (Base16.self, Base16.table), (Base64.self, Base64.table), (Base64URL.self, Base64URL.table),
            (Base64I2P.self, Base64I2P.table),
        ]
        for round in 0..<2000 {
            let (base, table) = generator.element(of: bases)
            let bytes = generator.bytes(Int.random(in: 0...160, using: &generator))
            let text = base.encode(bytes) ?? "none"
            let back = try base.decode(text)
            #expect(back == bytes, "seed \(seed), round \(round)")

            let length = Int.random(in: 0...260, using: &generator)
            let digits = (0..<length).map { _ in generator.element(of: table.digits) }
            let random = String(decoding: digits, as: UTF8.self)
            guard let decoded = try? base.decode(random) else { continue }
            // 256 digits may decode to more bytes than are encoded.
            let again = base.encode(decoded)
            #expect(again == random || again == nil && decoded.count > 160, "seed \(seed), round \(round)")
        }
    }

    @Test("The longest text of the largest digits decodes; one more digit is refused")
    func limits() throws {
        #expect(try Base58.decode(String(repeating: "z", count: 256)).count == 188)
        #expect(try Base58.decode(String(repeating: "1", count: 256)) == [UInt8](repeating: 0, count: 256))
        #expect(throws: BaseError.tooLong(count: 257, maximum: 256)) {
            try Base58.decode(String(repeating: "1", count: 257))
        }
        #expect(Base58.encode([UInt8](repeating: 255, count: 160))?.count == 219)
        #expect(Base36.encode([UInt8](repeating: 255, count: 160))?.count == 248)
        #expect(Base58.encode([UInt8](repeating: 0, count: 161)) == nil)
    }

    @Test("A refused text says why, and leaves the output as it was")
    func refused() throws {
        #expect(throws: BaseError.invalidDigit(0x30, offset: 2)) { try Base58.decode("120") }
        #expect(throws: BaseError.invalidDigit(0x49, offset: 0)) { try Base58.decode("Il") }
        #expect(throws: BaseError.invalidDigit(0x31, offset: 1)) { try Base32.decode("m1") }
        #expect(throws: BaseError.invalidLength(1)) { try Base32.decode("m") }
        #expect(throws: BaseError.invalidLength(3)) { try Base32.decode("mzx") }
        #expect(throws: BaseError.invalidLength(6)) { try Base32.decode("mzxw6y") }
        #expect(throws: BaseError.strayBits) { try Base32.decode("mz") }
        var output: [UInt8] = [1, 2]
        for text in ["mzxw6ytb0a", "mzxw6yr"] {
            #expect(throws: BaseError.self) {
                try utf8(text) { (digits) throws(BaseError) in
                    try Base32.decode(utf8: digits, appendingTo: &output)
                }
            }
        }
        #expect(throws: BaseError.self) {
            try utf8("11USm3fpXnKG5EUBx2ndx0") { (digits) throws(BaseError) in
                try Base58.decode(utf8: digits, appendingTo: &output)
            }
        }
        #expect(output == [1, 2])
    }
}
