/// Writes JSON text, always the same for the same values.
enum JSONWriter {
    /// Appends a string with its quotes. Escaped are, besides what must be, all characters that a terminal or viewer would
    /// act upon: control characters, line separators, marks that reorder or hide text.
    static func append(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in
            guard bytes.allSatisfy({ standsAlone($0) }) else { return false }
            output.append(contentsOf: bytes)
            return true
        }
        if isPlain != true { appendEscaped(text, to: &output) }
        output.append(UInt8(ascii: "\""))
    }

    private static func standsAlone(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private static func appendEscaped(_ text: String, to output: inout [UInt8]) {
        for character in text.unicodeScalars {
            switch character {
            case "\"", "\\":
                output.append(UInt8(ascii: "\\"))
                output.append(UInt8(truncatingIfNeeded: character.value))
            case _ where Printable.isHarmless(character): output.append(contentsOf: Character(character).utf8)
            default:
                // Beyond the basic plane two, as JSON has it (RFC 8259, 7).
                for unit in String(character).utf16 {
                    output.append(contentsOf: "\\u".utf8)
                    for shift in stride(from: 12, through: 0, by: -4) {
                        output.append(digits[Int(unit >> UInt16(shift) & 15)])
                    }
                }
            }
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
