import Kademlia
import TestSupport
import Testing

@testable import KadExchange

private func utf8<Value>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) throws -> Value) rethrows -> Value {
    try Array(text.utf8).withUnsafeBufferPointer(body)
}

@Suite("Text of foreign files")
struct TextTests {
    @Test(
        "RFC 3339",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-20T10:00:00Z", 1_795_168_800_000),
            ("2026-11-20T10:00:00.050000Z", 1_795_168_800_050),
            ("2026-11-20T11:00:00.0509999+01:00", 1_795_168_800_050),
            ("2000-02-29T23:59:59.9-00:30", 951_870_599_900), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("1969-12-31t23:59:59.999z", -1),
        ] as [(String, Int64)])
    func rfc3339(text: String, milliseconds: Int64) {
        #expect(utf8(text, Instant.init(rfc3339:))?.milliseconds == milliseconds)
    }

    @Test(
        "no RFC 3339",
        arguments: [
            "", "2026", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00", "99999-01-01T00:00:00Z",
        ])
    func notRFC3339(text: String) { #expect(utf8(text, Instant.init(rfc3339:)) == nil) }

    @Test(
        "Go durations in microseconds",
        arguments: [
            ("41.2ms", 41_200), ("5s", 5_000_000), ("1h2m3.5s", 3_723_500_000), ("0s", 0), ("0", 0), ("-3µs", -3),
            ("1500ns", 1), ("2.5µs", 2), ("+1m", 60_000_000), ("1.000000001s", 1_000_000), (".5s", 500_000),
        ] as [(String, Int64)])
    func goDuration(text: String, microseconds: Int64) {
        #expect(utf8(text, GoDuration.microseconds(_:)) == microseconds)
    }

    @Test(
        "no Go duration",
        arguments: ["", "5", "s", ".s", "5 s", "1h-2m", "99999999999999999999s", "9999999999h", "5x", "-"])
    func notGoDuration(text: String) { #expect(utf8(text, GoDuration.microseconds(_:)) == nil) }

    @Test("whole numbers go out and come back, and nothing else does")
    func decimal() {
        for value in [0, 1, -1, 9, 10, 99, 1_700_000_000_000, .max, .min, .min + 1] as [Int64] {
            var text: [UInt8] = []
            Decimal.append(value, to: &text)
            #expect(String(decoding: text, as: UTF8.self) == "\(value)")
            #expect(text.withUnsafeBufferPointer(Decimal.parse) == value)
        }
        for text in ["", "-", "+1", "1.0", " 1", "9223372036854775808", "-9223372036854775809", "0x1", "१"] {
            #expect(utf8(text, Decimal.parse) == nil, "\(text)")
        }
        #expect(utf8("-9223372036854775808", Decimal.parse) == .min)
    }

    @Test("any string goes through JSON and comes back", arguments: Seeds.first(20))
    func jsonStrings(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            var string = ""
            for _ in 0..<Int.random(in: 0..<12, using: &generator) {
                let limit = [0x80, 0x100, 0x3000, 0x11_0000].randomElement(using: &generator) ?? 0x80
                let value = UInt32(Int.random(in: 0..<limit, using: &generator))
                if let scalar = Unicode.Scalar(value) { string.unicodeScalars.append(scalar) }
            }
            var text: [UInt8] = []
            JSONWriter.append(string, to: &text)
            let read = try text.withUnsafeBufferPointer { bytes in
                var reader = JSONReader(bytes)
                let read = try reader.text().string()
                try reader.finish()
                return read
            }
            // Not ==, which takes canonically equivalent text for equal.
            #expect(Array(read.utf8) == Array(string.utf8))
        }
    }

    @Test("escapes of JSON")
    func escapes() throws {
        try utf8(#""\"\\\/\b\f\n\r\t\u0041\ud834\udd1eé""#) { bytes in
            var reader = JSONReader(bytes)
            let read = try reader.text().string()
            #expect(read == "\"\\/\u{8}\u{c}\n\r\tA\u{1d11e}é")
        }
        for text in [
            #""\ud834""#, #""\ud834x""#, #""\udd1e\ud834""#, #""\ud834A""#, #""\x""#, #""\u00g0""#, #""\u00""#,
        ] {
            _ = utf8(text) { bytes in
                #expect(throws: RejectionReason.self, "\(text)") {
                    var reader = JSONReader(bytes)
                    _ = try reader.text().string()
                }
            }
        }
    }

    @Test(
        "what is no JSON is refused, with the place",
        arguments: [
            ("", 0), ("{", 1), ("[1,]", 3), ("{\"a\":}", 5), ("{\"a\" 1}", 5), ("{a:1}", 1), ("[1 2]", 3), ("tru", 0),
            ("\"a", 2), ("\"a\nb\"", 2), ("-", 1), ("1.", 2), ("1e", 2), ("[1]x", 3), ("{\"a\":1,}", 7), ("nul", 0),
            ("]", 0), ("\"\\", 2),
        ] as [(String, Int)])
    func badJSON(text: String, offset: Int) {
        utf8(text) { bytes in
            let reason = #expect(throws: RejectionReason.self) {
                var reader = JSONReader(bytes)
                try reader.skip()
                try reader.finish()
            }
            guard case .json(_, let found)? = reason else {
                Issue.record("\(String(describing: reason))")
                return
            }
            #expect(found == offset)
        }
    }

    @Test("a million brackets are refused without recursion")
    func deepJSON() {
        for open in ["[", "{\"a\":"] {
            _ = utf8(String(repeating: open, count: 1_000_000)) { bytes in
                #expect(throws: RejectionReason.json(.tooDeep(limit: 32), offset: 32 * open.utf8.count)) {
                    var reader = JSONReader(bytes)
                    try reader.skip()
                }
            }
        }
        var bencode = BencodeReader(Array(repeating: UInt8(ascii: "l"), count: 1_000_000))
        #expect(throws: RejectionReason.bencode(.tooDeep(limit: 32))) { while try bencode.next() != nil {} }
    }

    @Test("malformed bencode is refused, never trapped on")
    func badBencode() {
        for text in [
            "", "d", "di1e", "d1:a", "d1:ae", "i", "ie", "i-e", "i1x", "5:abc", "99999999999999999999:a", "1", "x", "l",
        ] {
            #expect(throws: RejectionReason.self, "\(text)") {
                var reader = BencodeReader(Array(text.utf8))
                while try reader.next() != nil {}
            }
        }
    }

    @Test("what messages show is short and harmless to a terminal")
    func printable() {
        #expect(Printable.text("a\u{1b}[31m\u{7}é\u{202e}") == "a\\u{1b}[31m\\u{7}é\\u{202e}")
        #expect(Printable.text("a\u{e0041}\u{e007f}\u{2066}") == "a\\u{e0041}\\u{e007f}\\u{2066}")
        #expect(Printable.text(String(repeating: "x", count: 500)).count == 65)
        #expect(Printable.text([0xff, 0x41]).hasSuffix("A"))
    }

    @Test("equal strings are made once, others never mixed up")
    func interning() {
        var cache = InternCache<String>()
        var made = 0
        for round in 0..<3 {
            for index in 0..<2_000 {
                let value = utf8("agent/\(index % 1_500)") { bytes in
                    cache.value(of: bytes) { (bytes) throws(Never) in
                        made += 1
                        return String(decoding: bytes, as: UTF8.self)
                    }
                }
                #expect(value == "agent/\(index % 1_500)", "round \(round)")
            }
        }
        #expect(made < 6_000)
    }
}
