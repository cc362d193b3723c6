/// Markup. What a literal says is markup, what is interpolated is text: it is escaped, for elements and for quoted
/// attributes, unless it is `HTML` itself. So nothing that a stranger chose becomes an element.
struct HTML: Sendable, ExpressibleByStringInterpolation {
    private(set) var source: String

    init(stringLiteral source: String) { self.source = source }
    init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }

    static let empty: HTML = ""

    static func + (left: HTML, right: HTML) -> HTML {
        var sum = left
        sum += right
        return sum
    }

    static func += (left: inout HTML, right: HTML) { left.source += right.source }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var source = ""

        init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity) }

        mutating func appendLiteral(_ markup: String) { source += markup }

        mutating func appendInterpolation(_ html: HTML) { source += html.source }

        mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { source += part.source } }

        mutating func appendInterpolation(_ number: some BinaryInteger) { source += String(number) }

        /// A coordinate, to a tenth.
        mutating func appendInterpolation(_ coordinate: Double) {
            let text = FixedPoint.text(coordinate, digits: 1)
            source += text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        }

        mutating func appendInterpolation(_ text: String) {
            for scalar in Terminal.page.safe(text).unicodeScalars {
                switch scalar {
                case "&": source += "&amp;"
                case "<": source += "&lt;"
                case ">": source += "&gt;"
                case "\"": source += "&quot;"
                case "'": source += "&#39;"
                // Between the digits of a number no line may end.
                case "\u{2009}": source += "\u{202f}"
                default: source.unicodeScalars.append(scalar)
                }
            }
        }
    }
}

extension Terminal {
    /// How text looks on a page: Unicode, no colors, never cut. Characters that would be obeyed, hidden or turned around
    /// are made visible as for a terminal.
    static let page = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: nil)
}
