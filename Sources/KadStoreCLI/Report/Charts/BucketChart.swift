import KadStore
import Kademlia

/// A routing table: a row for each bucket, a shape for each contact.
struct BucketChart {
    let picture: TablePicture

    private static let pitch: Double = 14
    private static let top: Double = 20
    private static let cells: Double = 32
    private static let cellsWidth: Double = 200
    private static let waiting: Double = 242

    /// The width of a contact's place: places fill the same width whatever k is.
    private var step: Double { min(14, Self.cellsWidth / Double(max(1, picture.k))) }
    private var size: Double { step * 0.8 }

    var drawing: Drawing {
        Drawing(height: Self.top + Double(picture.buckets.count) * Self.pitch + 4, body: head + shapes + rows)
    }

    private func y(_ row: Int) -> Double { Self.top + Double(row) * Self.pitch }

    private var head: HTML {
        """
        <text x="24" y="11" text-anchor="end">bits</text><text x="\(Self.cells)" y="11">contacts, of \(picture.k)</text>\
        <text x="\(picture.identity == nil ? 358 : Self.waiting)" y="11" \
        text-anchor="\(picture.identity == nil ? "end" : "start")">\
        \(picture.identity == nil ? "known" : "replacements")</text>
        """
    }

    /// One path for each kind of shape, over all buckets.
    private var shapes: HTML {
        var paths: [String: HTML] = [:]
        for (row, bucket) in picture.buckets.enumerated() {
            let y = y(row) + (Self.pitch - size) / 2
            var place = 0
            for health in TablePicture.Health.allCases {
                for _ in 0..<min(bucket.counts[health], picture.k - place) {
                    let x = Self.cells + Double(place) * step
                    paths[health.shapeClass, default: .empty] += health.shape(x: x, y: y, size: size)
                    place += 1
                }
            }
            for free in place..<max(place, picture.k) {
                let x = Self.cells + Double(free) * step + size / 2 - 0.8
                paths["c-free", default: .empty] += "M\(x) \(y + size / 2 - 0.8)h1.6v1.6h-1.6z"
            }
            for waiting in 0..<min(bucket.replacements ?? 0, 20) {
                paths["c-waiting", default: .empty] += "M\(Self.waiting + Double(waiting) * 4) \(y)v\(size)"
            }
        }
        let drawn = paths.sorted { $0.key < $1.key }.map { name, path -> HTML in
            "<path class=\"\(name)\" d=\"\(path)\"/>"
        }
        return "\(drawn)"
    }

    private var rows: HTML {
        let labels = picture.buckets.enumerated().map { row, bucket -> HTML in
            let baseline = y(row) + Self.pitch - 3.5
            let amount = bucket.known ?? bucket.replacements ?? 0
            let right: HTML =
                picture.identity != nil && amount == 0
                ? "" : "<text x=\"358\" y=\"\(baseline)\" text-anchor=\"end\">\(Terminal.page.count(amount))</text>"
            return """
                <text x="24" y="\(baseline)" text-anchor="end">\(bucket.name)</text>\(right)\
                <rect class="hover" x="0" y="\(y(row))" width="360" height="\(Self.pitch)"><title>\
                \(summary(bucket))</title></rect>
                """
        }
        return "\(labels)"
    }

    private func summary(_ bucket: TablePicture.Bucket) -> String {
        let parts = TablePicture.Health.allCases.filter { bucket.counts[$0] > 0 }.map {
            "\(bucket.counts[$0]) \($0.text)"
        }
        return "bucket \(bucket.name): " + (parts.isEmpty ? "empty" : parts.joined(separator: ", "))
    }

    /// What the shapes mean.
    static var legend: HTML {
        let entries = TablePicture.Health.allCases.map { health -> HTML in
            let shape = health.shape(x: 2, y: 2, size: 8)
            return """
                <li><svg aria-hidden="true" focusable="false" viewBox="0 0 12 12"><path class="\(health.shapeClass)" \
                d="\(shape)"/></svg>\(health.text)</li>
                """
        }
        return """
            <ul class="legend">\(entries)<li><svg aria-hidden="true" focusable="false" viewBox="0 0 12 12">\
            <path class="c-free" d="M5 5h2v2h-2z"/></svg>free</li></ul>
            """
    }

    var data: DataTable {
        let isKept = picture.identity != nil
        var columns = ["Bits"] + TablePicture.Health.allCases.map(\.text) + ["free", isKept ? "replacements" : "known"]
        columns.append("last seen (UTC)")
        if isKept { columns.append("refreshed (UTC)") }
        let rows = picture.buckets.map { bucket -> [HTML] in
            var row: [HTML] = ["\(bucket.name)"]
            row += TablePicture.Health.allCases.map { "\(Terminal.page.count(bucket.counts[$0]))" }
            row.append("\(max(0, picture.k - bucket.counts.total))")
            row.append("\(Terminal.page.count(bucket.known ?? bucket.replacements ?? 0))")
            row.append("\(bucket.newest.map(Calendar.minute) ?? "–")")
            if isKept { row.append("\(bucket.refreshedAt.map(Calendar.minute) ?? "–")") }
            return row
        }
        return DataTable(caption: "Contacts by bucket and standing", columns: columns, rows: rows)
    }
}

extension TablePicture.Bucket {
    /// The common prefix length in bits; the last bucket holds everything deeper.
    var name: String { isLast ? "≥\(index)" : "\(index)" }
}

extension TablePicture.Health {
    var shapeClass: String {
        switch self {
        case .fresh: "c-fresh"
        case .answered: "c-answered"
        case .unverified: "c-unverified"
        case .failing: "c-failing"
        }
    }

    /// A full square, a hatched one, an open one, a cross.
    func shape(x: Double, y: Double, size: Double) -> HTML {
        switch self {
        case .fresh: "M\(x) \(y)h\(size)v\(size)h-\(size)z"
        case .answered, .unverified: "M\(x + 0.5) \(y + 0.5)h\(size - 1)v\(size - 1)h-\(size - 1)z"
        case .failing:
            "M\(x + 0.8) \(y + 0.8)l\(size - 1.6) \(size - 1.6)M\(x + size - 0.8) \(y + 0.8)L\(x + 0.8) \(y + size - 0.8)"
        }
    }
}
