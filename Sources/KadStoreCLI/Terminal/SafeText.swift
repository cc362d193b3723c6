extension Terminal {
    /// Text that others chose, made harmless: agents, protocols, domain names, sources and labels come from strangers,
    /// and a terminal obeys what it is sent.
    ///
    /// Control characters (escape sequences among them), format characters (which turn the reading direction, or are
    /// invisible), line separators and everything without a meaning of its own become `\u{…}`; without a Unicode
    /// locale, all beyond ASCII does.
    func safe(_ text: String) -> String {
        var isHarmless = true
        for scalar in text.unicodeScalars where !accepts(scalar) { isHarmless = false }
        if isHarmless { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            if accepts(scalar) {
                escaped.unicodeScalars.append(scalar)
            } else {
                escaped += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return escaped
    }

    private func accepts(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x20..<0x7f).contains(scalar.value) }
        guard isUnicode else { return false }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        // A stack of accents runs over the lines above and below.
        case .nonspacingMark, .enclosingMark: false
        default: !scalar.properties.isDefaultIgnorableCodePoint
        }
    }
}

/// How much room text takes on a screen.
enum DisplayWidth {
    static func of(_ text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + of($1) }
    }

    static func of(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        return isWide(first.value) ? 2 : 1
    }

    /// East Asian wide and full-width blocks and emoji (UAX #11, coarsely).
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
            0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
            true
        default: false
        }
    }
}
