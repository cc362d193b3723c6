/// Percent-encoding of RFC 3986.
enum PercentText {
    /// Appends `bytes` with everything but unreserved characters encoded.
    ///
    /// The specification also lets sub-delimiters stand; encoding them is read alike by all, while a bare `+` is taken
    /// for a space by implementations that use form decoding.
    static func append(_ bytes: ArraySlice<UInt8>, to output: inout [UInt8]) {
        for byte in bytes {
            if isUnreserved(byte) {
                output.append(byte)
            } else {
                output.append(UInt8(ascii: "%"))
                output.append(upperHexDigit(byte >> 4))
                output.append(upperHexDigit(byte & 15))
            }
        }
    }

    /// Appends the bytes that `text` stands for; false for a `%` without two hexadecimal digits.
    static func decode(_ text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]) -> Bool {
        var offset = 0
        while offset < text.count {
            if text[offset] == UInt8(ascii: "%") {
                guard offset + 2 < text.count, let high = nibble(text[offset + 1]), let low = nibble(text[offset + 2])
                else { return false }
                output.append(high << 4 | low)
                offset += 3
            } else {
                output.append(text[offset])
                offset += 1
            }
        }
        return true
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func upperHexDigit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x41 + nibble - 10 }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        let value = Base16.table.values[Int(digit)]
        return value == DigitTable.none ? nil : value
    }
}
