/// A picture with its numbers: the picture is one labelled image, the numbers are a table behind a disclosure.
struct Figure {
    let id: String
    let title: String
    var caption: HTML = .empty
    /// What the picture shows, for those who do not see it.
    let description: String
    let drawing: Drawing
    var legend: HTML = .empty
    let data: DataTable

    var html: HTML {
        """
        <figure id="\(id)">
        <figcaption><h3>\(title)</h3><p>\(caption)</p></figcaption>
        <svg role="img" aria-labelledby="\(id)-t \(id)-d" \(drawing.frame)>\
        <title id="\(id)-t">\(title)</title><desc id="\(id)-d">\(description)</desc>\(drawing.body)</svg>
        \(legend)
        <details><summary>Data: \(title)</summary>\(data.html)</details>
        </figure>

        """
    }
}

/// What is inside an `svg` element.
struct Drawing {
    /// The width of all charts, in units that are about pixels on a phone.
    static let width: Double = 360

    var frame: HTML
    var body: HTML

    /// A picture that scales with its column.
    init(height: Double, body: HTML) {
        frame = "viewBox=\"0 0 \(Self.width) \(height)\""
        self.body = body
    }

    /// A strip as high as a line, whose places are percentages.
    init(strip body: HTML) {
        frame = "class=\"fluid\""
        self.body = body
    }
}

/// Numbers in rows. The first column names the row.
struct DataTable {
    var caption: String
    var columns: [String]
    var rows: [[HTML]]

    var html: HTML {
        let head = columns.enumerated().map { index, name -> HTML in
            index == 0 ? "<th scope=\"col\">\(name)</th>" : "<th scope=\"col\" class=\"r\">\(name)</th>"
        }
        let lines = rows.map { row -> HTML in
            let cells = row.enumerated().map { index, cell -> HTML in
                index == 0 ? "<th scope=\"row\">\(cell)</th>" : "<td class=\"r\">\(cell)</td>"
            }
            return "<tr>\(cells)</tr>\n"
        }
        return """
            <div class="scroll tall" tabindex="0" role="region" aria-label="\(caption)"><table>\
            <caption>\(caption)</caption><thead><tr>\(head)</tr></thead><tbody>\(lines)</tbody></table></div>
            """
    }
}

/// Patterns, so that areas differ without color.
enum Pattern {
    static let definitions: HTML = """
        <svg class="defs" aria-hidden="true" focusable="false"><defs>\
        <pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
        <path class="hatch" d="M0 0V4"/></pattern>\
        <pattern id="cross" width="5" height="5" patternUnits="userSpaceOnUse">\
        <path class="cross" d="M0 0L5 5M5 0L0 5"/></pattern>\
        </defs></svg>
        """
}
