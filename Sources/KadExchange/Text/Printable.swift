/// Foreign bytes made fit for a message: what a terminal would act upon is escaped, and no more than `limit` bytes are shown.
enum Printable {
    static func text(_ bytes: some Collection<UInt8>, limit: Int = 64) -> String {
        var text = ""
        for character in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
            if isHarmless(character) {
                text.unicodeScalars.append(character)
            } else {
                text += "\\u{\(String(character.value, radix: 16))}"
            }
        }
        return bytes.count > limit ? text + "…" : text
    }

    static func text(_ string: String, limit: Int = 64) -> String {
        text(Array(string.utf8.prefix(limit + 1)), limit: limit)
    }

    /// Not a control character, not a separator of lines, not one that reorders or hides text.
    static func isHarmless(_ character: Unicode.Scalar) -> Bool {
        switch character.value {
        case 0x20..<0x7f: true
        case ..<0xa0: false
        case 0x2028, 0x2029, 0xfff9...0xfffb: false
        default: !character.properties.isDefaultIgnorableCodePoint
        }
    }
}
