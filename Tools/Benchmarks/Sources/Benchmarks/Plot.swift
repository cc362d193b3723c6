/// Curves over one axis, panel under panel, as SVG: a picture that a page shows without any other file.
struct Plot {
    struct Series {
        let name: String
        let points: [(x: Double, y: Double)]
    }

    struct Panel {
        let title: String
        let series: [Series]
    }

    let title: String
    /// What the common axis counts.
    let axis: String
    let panels: [Panel]

    private static let width = 760.0
    private static let panelHeight = 150.0
    private static let gap = 52.0
    private static let left = 74.0
    private static let right = 150.0
    private static let top = 56.0
    /// Told apart without colours by their order in the legend; these are for those who see them (Okabe and Ito's palette).
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]

    func svg() -> String {
        let height = Self.top + Double(panels.count) * (Self.panelHeight + Self.gap) + 16
        var lines = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.width) \(height)" \
            font-family="sans-serif" font-size="12" fill="#222">
            """,
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
            text(title, x: Self.left, y: 26, size: 15),
        ]
        let end = panels.flatMap(\.series).flatMap(\.points).map(\.x).max() ?? 1
        for (number, panel) in panels.enumerated() {
            let y = Self.top + Double(number) * (Self.panelHeight + Self.gap)
            lines += draw(panel, y: y, end: end)
        }
        lines.append(text(axis, x: Self.width - Self.right, y: height - 10, anchor: "end"))
        lines.append("</svg>")
        return lines.joined(separator: "\n") + "\n"
    }

    private func draw(_ panel: Panel, y top: Double, end: Double) -> [String] {
        let scale = Scale(upTo: panel.series.flatMap(\.points).map(\.y).max() ?? 1)
        let across = Scale(upTo: end)
        let inner = Self.width - Self.left - Self.right
        let bottom = top + Self.panelHeight
        func x(_ value: Double) -> Double { Self.left + inner * value / end }
        func y(_ value: Double) -> Double { bottom - Self.panelHeight * value / scale.end }
        var lines = [text(panel.title, x: Self.left, y: top - 8)]
        for tick in scale.ticks {
            lines.append(line(Self.left, y(tick), Self.left + inner, y(tick)))
            lines.append(text(scale.label(tick), x: Self.left - 8, y: y(tick) + 4, anchor: "end"))
        }
        for tick in across.ticks where tick <= end {
            lines.append(line(x(tick), bottom, x(tick), bottom + 4))
            lines.append(text(across.label(tick), x: x(tick), y: bottom + 17, anchor: "middle"))
        }
        for (number, series) in panel.series.enumerated() {
            let colour = Self.colours[number % Self.colours.count]
            let points = series.points.map { "\(short(x($0.x))),\(short(y($0.y)))" }.joined(separator: " ")
            lines.append("<polyline points=\"\(points)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.6\"/>")
            let row = top + 12 + Double(number) * 17
            lines.append(
                "<rect x=\"\(Self.left + inner + 12)\" y=\"\(row - 8)\" width=\"14\" height=\"3\" fill=\"\(colour)\"/>")
            lines.append(text(series.name, x: Self.left + inner + 32, y: row))
        }
        return lines
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        "<path d=\"M\(short(x1)) \(short(y1))L\(short(x2)) \(short(y2))\" stroke=\"#ddd\"/>"
    }

    private func text(_ text: String, x: Double, y: Double, size: Int? = nil, anchor: String? = nil) -> String {
        let style = (size.map { " font-size=\"\($0)\"" } ?? "") + (anchor.map { " text-anchor=\"\($0)\"" } ?? "")
        let escaped = text.map { ["&": "&amp;", "<": "&lt;", ">": "&gt;"][$0] ?? String($0) }.joined()
        return "<text x=\"\(short(x))\" y=\"\(short(y))\"\(style)>\(escaped)</text>"
    }

    /// A tenth of a pixel is enough.
    private func short(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }
}

/// An axis from 0 with three to six ticks at round numbers.
private struct Scale {
    let step: Double
    let end: Double

    init(upTo greatest: Double) {
        let greatest = max(greatest, .leastNormalMagnitude)
        var unit = 1.0
        while unit * 10 <= greatest { unit *= 10 }
        while unit > greatest { unit /= 10 }
        step = [0.2, 0.5, 1, 2].map { $0 * unit }.first { greatest / $0 <= 5 } ?? 2 * unit
        end = (greatest / step).rounded(.up) * step
    }

    var ticks: [Double] { (0...Int((end / step).rounded())).map { Double($0) * step } }

    func label(_ tick: Double) -> String {
        if tick == tick.rounded() { return "\(Int(tick))" }
        return "\((tick * 1_000).rounded() / 1_000)"
    }
}
