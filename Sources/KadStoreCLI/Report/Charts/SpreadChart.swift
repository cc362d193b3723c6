/// How much of each bucket its largest network and its largest source hold: an eclipse is a dot far to the right.
struct SpreadChart {
    let spreads: [BucketSpread]
    /// The share of a bucket that one network may hold; nil where there is no limit.
    let limit: Double?

    private static let pitch: Double = 14
    private static let top: Double = 20
    private static let left: Double = 32
    private static let right: Double = 238

    private func x(_ share: Double) -> Double { Self.left + (Self.right - Self.left) * min(max(0, share), 1) }
    private func y(_ row: Int) -> Double { Self.top + (Double(row) + 0.5) * Self.pitch }

    var drawing: Drawing {
        Drawing(height: Self.top + Double(spreads.count) * Self.pitch + 4, body: grid + rows)
    }

    private var grid: HTML {
        let bottom = y(spreads.count) - Self.pitch / 2
        let ticks = [0, 0.5, 1].map { share -> HTML in
            """
            <path class="axis" d="M\(x(share)) 15V\(bottom)"/><text x="\(x(share))" y="11" \
            text-anchor="\(share == 0 ? "start" : "middle")">\(FixedPoint.text(share * 100, digits: 0)) %</text>
            """
        }
        let bound: HTML = limit.map { "<path class=\"limit\" d=\"M\(x($0)) 15V\(bottom)\"/>" } ?? .empty
        return "<text x=\"24\" y=\"11\" text-anchor=\"end\">bits</text>\(ticks)\(bound)"
    }

    private var rows: HTML {
        let drawn = spreads.enumerated().map { row, spread -> HTML in
            let y = y(row)
            var marks: HTML = "<text x=\"24\" y=\"\(y + 3.5)\" text-anchor=\"end\">\(spread.label)</text>"
            if let share = spread.sourceShare {
                let x = x(share)
                marks += "<path class=\"diamond\" d=\"M\(x) \(y - 4.5)l4.5 4.5l-4.5 4.5l-4.5 -4.5z\"/>"
            }
            if let share = spread.networkShare {
                marks += "<circle class=\"dot\" cx=\"\(x(share))\" cy=\"\(y)\" r=\"3.2\"/>"
                marks += "<text x=\"250\" y=\"\(y + 3.5)\">\(Self.shortened(spread.largestNetwork?.name ?? ""))</text>"
            }
            return marks
        }
        return "\(drawn)"
    }

    private static func shortened(_ name: String) -> String {
        name.count > 19 ? name.prefix(18) + "…" : name
    }

    static let legend: HTML = """
        <ul class="legend"><li><svg aria-hidden="true" focusable="false" viewBox="0 0 12 12"><circle class="dot" cx="6" \
        cy="6" r="4"/></svg>largest network, named at the right</li><li><svg aria-hidden="true" focusable="false" \
        viewBox="0 0 12 12"><path class="diamond" d="M6 1.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z"/></svg>largest source</li></ul>
        """

    func data(_ noun: String) -> DataTable {
        DataTable(
            caption: "Networks and sources by bucket",
            columns: [
                "Bits", "\(noun) with an IP address", "networks", "largest network", "holds", "sources",
                "largest source", "holds",
            ],
            rows: spreads.map { spread in
                [
                    "\(spread.label)", "\(Terminal.page.count(spread.located))",
                    "\(Terminal.page.count(spread.networks))",
                    "\(spread.largestNetwork?.name ?? "–")",
                    "\(Terminal.page.percent(spread.largestNetwork?.count ?? 0, of: spread.located))",
                    "\(Terminal.page.count(spread.sources))", "\(spread.largestSource?.name ?? "–")",
                    "\(Terminal.page.percent(spread.largestSource?.count ?? 0, of: spread.sourced))",
                ]
            })
    }
}

extension BucketSpread {
    var label: String { isLast ? "≥\(index)" : "\(index)" }

    var networkShare: Double? {
        largestNetwork.flatMap { located > 0 ? Double($0.count) / Double(located) : nil }
    }

    var sourceShare: Double? {
        largestSource.flatMap { sourced > 0 ? Double($0.count) / Double(sourced) : nil }
    }
}
