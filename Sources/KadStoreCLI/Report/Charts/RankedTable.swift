/// Names with counts, the most frequent first: a table whose rows carry bars, so that picture and numbers are one.
struct RankedTable {
    struct Row {
        var name: String
        var count: HTML
        var share: Double
    }

    let title: String
    let nameTitle: String
    let countTitle: String
    var note: HTML = .empty
    let rows: [Row]

    var html: HTML { "<div><h3>\(title)</h3><p class=\"lead\">\(note)</p>\(rows.isEmpty ? .empty : table)</div>\n" }

    private var table: HTML {
        let lines = rows.map { row -> HTML in
            let share = min(max(0, row.share), 1)
            return """
                <tr><th scope="row">\(row.name.isEmpty ? "(empty)" : row.name)</th><td class="r">\(row.count)</td>\
                <td class="r">\(FixedPoint.text(share * 100, digits: 1)) %</td><td class="share">\
                <svg aria-hidden="true" focusable="false" viewBox="0 0 100 8" preserveAspectRatio="none">\
                <path class="bar" d="M0 0H\(max(0.5, share * 100))V8H0z"/></svg></td></tr>

                """
        }
        return """
            <div class="scroll" tabindex="0" role="region" aria-label="\(title)"><table class="ranked"><thead><tr>\
            <th scope="col">\(nameTitle)</th><th scope="col" class="r">\(countTitle)</th>\
            <th scope="col" class="r">Share</th><td></td></tr></thead><tbody>
            \(lines)</tbody></table></div>
            """
    }
}
