/// Text for the macros of man(7).
enum Roff {
    /// Text that shows as it is written: nothing in it is a request, and a hyphen can be copied into a shell.
    static func escape(_ text: some StringProtocol) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "'": escaped += "\\(aq"
            case "\"": escaped += "\\(dq"
            case "`": escaped += "\\(ga"
            case "^": escaped += "\\(ha"
            case "~": escaped += "\\(ti"
            case "\t": escaped += "    "
            case _ where scalar.isASCII: escaped.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                escaped += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
            }
        }
        return escaped
    }

    /// A line of text: one that begins like a request is kept from being one.
    static func line(_ text: some StringProtocol) -> String {
        let escaped = escape(text)
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }

    /// Text to fill, in lines of an editor's width; where they end means nothing.
    static func filled(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            let word = line(word)
            if let last = lines.last, last.utf8.count + 1 + word.utf8.count <= 80 {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
        }
        return lines
    }

    /// A name that is not divided where a line ends.
    static func whole(_ text: String) -> String { "\\%" + escape(text) }

    static func bold(_ text: String) -> String { "\\fB\(escape(text))\\fR" }
    static func italic(_ text: String) -> String { "\\fI\(escape(text))\\fR" }
}
