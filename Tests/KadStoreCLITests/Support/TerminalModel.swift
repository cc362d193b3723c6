/// A small terminal: what stands on its screens after some output. Of the sequences of ECMA-48 and xterm those that a live
/// view uses; any other is remembered as unknown, for a test to fail on.
struct TerminalModel {
    let columns: Int
    let rows: Int
    private(set) var isAlternate = false
    private(set) var hasCursor = true
    private(set) var unknown: [String] = []
    /// Whether anything was written past the last column or row.
    private(set) var hasOverflowed = false
    private var main: [[Character]]
    private var alternate: [[Character]]
    private var row = 0
    private var column = 0

    init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        main = Array(repeating: Array(repeating: " ", count: columns), count: rows)
        alternate = main
    }

    /// The lines of the screen that shows, without blanks at their ends.
    var lines: [String] {
        (isAlternate ? alternate : main).map { line in
            String(String(line).reversed().drop { $0 == " " }.reversed())
        }
    }

    var text: String { lines.joined(separator: "\n") }

    mutating func take(_ output: String) {
        var rest = Substring(output)
        while let character = rest.popFirst() {
            switch character {
            case "\u{1b}":
                guard rest.first == "[" else {
                    unknown.append("ESC \(rest.first.map(String.init) ?? "")")
                    continue
                }
                rest.removeFirst()
                let parameters = rest.prefix { !$0.isLetter }
                rest = rest.dropFirst(parameters.count)
                if let last = rest.popFirst() { control(String(parameters), last) }
            case "\r": column = 0
            case "\n", "\r\n":
                if character == "\r\n" { column = 0 }
                row = min(row + 1, rows - 1)
            default: put(character)
            }
        }
    }

    private mutating func put(_ character: Character) {
        guard row < rows, column < columns else {
            hasOverflowed = true
            return
        }
        if isAlternate { alternate[row][column] = character } else { main[row][column] = character }
        column += 1
    }

    private mutating func control(_ parameters: String, _ last: Character) {
        switch (parameters, last) {
        case ("?1049", "h"):
            isAlternate = true
            alternate = Array(repeating: Array(repeating: " ", count: columns), count: rows)
        case ("?1049", "l"): isAlternate = false
        case ("?25", "h"): hasCursor = true
        case ("?25", "l"): hasCursor = false
        case ("?2026", "h"), ("?2026", "l"), (_, "m"): break
        case ("2", "J"): for row in 0..<rows { clear(row) }
        case ("2", "K"): clear(row)
        case (_, "H"):
            let numbers = parameters.split(separator: ";").compactMap { Int($0) }
            row = (numbers.first ?? 1) - 1
            column = (numbers.dropFirst().first ?? 1) - 1
        default: unknown.append(parameters + String(last))
        }
    }

    private mutating func clear(_ row: Int) {
        guard row < rows else { return }
        let blank = [Character](repeating: " ", count: columns)
        if isAlternate { alternate[row] = blank } else { main[row] = blank }
    }
}
