/// Rows in aligned columns that fit the terminal. In a pipe nothing is cut.
///
/// Widths are settled by the first rows (``layOut(_:)``), so that a list of any length streams in flat memory.
struct TextTable {
    struct Cell {
        var runs: [(text: String, ink: Ink)]

        init(_ text: String, _ ink: Ink = .plain) { runs = [(text, ink)] }

        init(runs: [(text: String, ink: Ink)]) { self.runs = runs }

        var width: Int { runs.reduce(0) { $0 + DisplayWidth.of($1.text) } }
    }

    struct Column {
        enum Alignment { case left, right }
        enum Cut { case end, middle }

        var title: String
        var alignment = Alignment.left
        /// The width that it may be cut to; nil is never cut.
        var minimum: Int?
        var cut = Cut.end
        /// Left out where there is no room for it, the last such column first.
        var isOptional = false
    }

    let terminal: Terminal
    private let columns: [Column]
    private var widths: [Int]
    private var isShown: [Bool]
    private static let gap = 2

    init(_ columns: [Column], terminal: Terminal) {
        self.columns = columns
        self.terminal = terminal
        widths = columns.map { DisplayWidth.of($0.title) }
        isShown = columns.map { _ in true }
    }

    /// Settles the widths for rows like these.
    mutating func layOut(_ rows: [[Cell]]) {
        for row in rows {
            for (index, cell) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], cell.width)
            }
        }
        guard let available = terminal.width else { return }
        while excess(over: available) > 0 {
            if let index = widestShrinkable() {
                let next = secondWidest(below: index)
                let floor = max(columns[index].minimum ?? 0, next)
                widths[index] -= min(excess(over: available), max(1, widths[index] - floor))
            } else if let index = columns.indices.last(where: { columns[$0].isOptional && isShown[$0] }) {
                isShown[index] = false
            } else {
                return
            }
        }
    }

    private func excess(over available: Int) -> Int {
        let shown = widths.indices.filter { isShown[$0] }
        return shown.reduce(0) { $0 + widths[$1] } + Self.gap * max(0, shown.count - 1) - available
    }

    private func widestShrinkable() -> Int? {
        widths.indices.filter { isShown[$0] && widths[$0] > columns[$0].minimum ?? .max }
            .max { widths[$0] < widths[$1] }
    }

    private func secondWidest(below widest: Int) -> Int {
        widths.indices.filter {
            isShown[$0] && columns[$0].minimum != nil && $0 != widest && widths[$0] < widths[widest]
        }
        .map { widths[$0] }.max() ?? 0
    }

    var header: String { line(columns.map { Cell($0.title, .dim) }) }

    func line(_ cells: [Cell]) -> String {
        var text = ""
        var padding = 0
        for (index, cell) in cells.enumerated() where index < columns.count && isShown[index] {
            if !text.isEmpty || padding > 0 { padding += Self.gap }
            let shown = terminal.width == nil ? cell : fit(cell, index)
            let missing = max(0, widths[index] - shown.width)
            if columns[index].alignment == .right { padding += missing }
            if shown.width > 0 {
                text += String(repeating: " ", count: padding)
                for run in shown.runs { text += terminal.paint(run.text, run.ink) }
                padding = 0
            }
            if columns[index].alignment == .left { padding += missing }
        }
        return text
    }

    private func fit(_ cell: Cell, _ index: Int) -> Cell {
        guard columns[index].minimum != nil, cell.width > widths[index] else { return cell }
        let text = cell.runs.map(\.text).joined()
        let short = terminal.shorten(text, to: widths[index], inMiddle: columns[index].cut == .middle)
        return Cell(short, cell.runs.first?.ink ?? .plain)
    }
}

extension Terminal {
    /// The mark of something that was left out.
    var ellipsis: String { symbol("…", "...") }

    /// Text in at most `width` columns.
    func shorten(_ text: String, to width: Int, inMiddle: Bool = false) -> String {
        guard DisplayWidth.of(text) > width else { return text }
        let room = width - DisplayWidth.of(ellipsis)
        guard room > 0 else { return String(text.prefix(max(0, width))) }
        let tail = inMiddle ? room / 3 : 0
        return Self.take(text, room - tail) + ellipsis + String(Self.take(String(text.reversed()), tail).reversed())
    }

    private static func take(_ text: String, _ width: Int) -> String {
        var taken = ""
        var used = 0
        for character in text {
            used += DisplayWidth.of(character)
            guard used <= width else { break }
            taken.append(character)
        }
        return taken
    }
}
