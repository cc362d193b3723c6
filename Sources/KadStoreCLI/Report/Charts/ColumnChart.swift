/// Columns over an axis of time or magnitude, the highest one labelled with its value.
struct ColumnChart {
    struct Column {
        /// What the column stands for, in words.
        var name: String
        var value: Int
        /// A second count, drawn as a line.
        var line: Int?
    }

    struct Tick {
        /// In columns from the left edge.
        var position: Double
        var text: String
    }

    var columns: [Column]
    var ticks: [Tick]
    /// Positions that are marked over the whole height, the first labelled to its left, others to their right.
    var marks: [Tick] = []
    var isBad = false
    /// Without gaps: a sum that grows.
    var isArea = false

    private static let left: Double = 2
    private static let right: Double = 358
    private static let base: Double = 100
    private static let height: Double = 118

    /// Marks have their names above the columns.
    private var top: Double { marks.isEmpty ? 26 : 40 }

    /// A single column is no wall.
    private static let widest: Double = 44
    private var step: Double { min(Self.widest, (Self.right - Self.left) / Double(max(1, columns.count))) }
    private var peak: Int { max(1, columns.map { max($0.value, $0.line ?? 0) }.max() ?? 1) }

    private func x(_ position: Double) -> Double { Self.left + position * step }

    private func y(_ value: Int) -> Double {
        Self.base - (Self.base - top) * Double(max(0, value)) / Double(peak)
    }

    var drawing: Drawing {
        Drawing(height: Self.height, body: bars + line + axis + markings + peakLabel + hovers)
    }

    /// One path for all columns.
    private var bars: HTML {
        let gap = isArea || step < 2.5 ? 0 : min(2, step * 0.2)
        let parts = columns.enumerated().map { index, column -> HTML in
            guard column.value > 0 else { return .empty }
            // What is there is seen, however little it is beside the highest.
            let top = min(y(column.value), Self.base - 1)
            return "M\(x(Double(index)) + gap / 2) \(Self.base)V\(top)h\(step - gap)V\(Self.base)z"
        }
        return "<path class=\"\(isBad ? "bad" : "bar")\" d=\"\(parts)\"/>"
    }

    private var line: HTML {
        guard columns.contains(where: { $0.line != nil }) else { return .empty }
        let parts = columns.enumerated().map { index, column -> HTML in
            "\(index == 0 ? "M" : "L")\(x(Double(index))) \(y(column.line ?? 0))h\(step)"
        }
        return "<path class=\"first\" d=\"\(parts)\"/>"
    }

    private var axis: HTML {
        let labels = ticks.map { tick -> HTML in
            let x = x(tick.position)
            return "<text x=\"\(x)\" y=\"114\" text-anchor=\"\(Self.anchor(x))\">\(tick.text)</text>"
        }
        return "<path class=\"axis\" d=\"M\(Self.left) \(Self.base)H\(Self.right)\"/>\(labels)"
    }

    private var peakLabel: HTML {
        guard let highest = columns.indices.max(by: { columns[$0].value < columns[$1].value }),
            columns[highest].value > 0
        else { return .empty }
        let middle = x(Double(highest) + 0.5)
        return """
            <text class="key" x="\(middle)" y="\(y(columns[highest].value) - 4)" \
            text-anchor="\(Self.anchor(middle))">\(Terminal.page.count(columns[highest].value))</text>
            """
    }

    private var markings: HTML {
        let drawn = marks.enumerated().map { index, mark -> HTML in
            let x = x(mark.position)
            let isLeft = index == 0 && x > 90 || x > 290
            return """
                <path class="halo" d="M\(x) 24V\(Self.base)"/><path class="mark" d="M\(x) 4V\(Self.base)"/><text x="\(x + (isLeft ? -3 : 3))" \
                y="\(index == 0 ? 9 : 20)" text-anchor="\(isLeft ? "end" : "start")">\(mark.text)</text>
                """
        }
        return "\(drawn)"
    }

    /// The value of each column where a pointer rests.
    private var hovers: HTML {
        let areas = columns.enumerated().map { index, column -> HTML in
            let line = column.line.map { ", \(Terminal.page.count($0)) first" } ?? ""
            return """
                <rect class="hover" x="\(x(Double(index)))" y="\(top)" width="\(step)" height="\(Self.base - top)">\
                <title>\(column.name): \(Terminal.page.count(column.value))\(line)</title></rect>
                """
        }
        return "\(areas)"
    }

    private static func anchor(_ x: Double) -> String {
        if x < 40 { return "start" }
        return x > Drawing.width - 40 ? "end" : "middle"
    }
}
