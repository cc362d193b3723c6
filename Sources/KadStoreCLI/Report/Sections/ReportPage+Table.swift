import KadStore
import Kademlia

extension ReportPage {
    /// The routing tables by bucket, each beside how its buckets are spread.
    var tableSection: Section {
        var body = HTML.empty
        for (number, table) in tables.enumerated() { body += drawn(table, number) }
        if tablesLeftOut > 0 {
            body += """
                <p>\(Terminal.page.count(tablesLeftOut, "table")) more: \
                <code>kadstore buckets</code> draws them all.</p>
                """
        }
        return Section(id: "table", title: "The table by bucket", lead: lead, body: body)
    }

    private var lead: HTML {
        guard let picture = tables.first?.picture, picture.identity == nil else {
            return """
                The k-buckets as nodes keep them: a row for each common prefix length with the node's own key, a shape \
                for each contact.
                """
        }
        return """
            \(picture.key == .zero ? "No node keeps its table here. " : "")All peers as a table around \
            <code>\(picture.key.hex(byteCount: picture.network.keyByteCount))</code> would hold them: the healthiest \
            \(picture.k) of each bucket.
            """
    }

    private func drawn(_ table: Table, _ number: Int) -> HTML {
        let picture = table.picture
        let name = picture.identity.map { identity in
            identity.label.isEmpty ? "Node \(identity.number)" : "Node \(identity.number), \(identity.label)"
        }
        guard !picture.buckets.isEmpty else { return "<p>\(name ?? "The table"): no buckets.</p>" }
        let contacts = picture.buckets.reduce(0) { $0 + $1.counts.total }
        let chart = BucketChart(picture: picture)
        let noun = picture.identity == nil ? "peers" : "contacts"
        let limits = store.tableConfiguration.limits
        // The limit binds the contacts of a table, not the peers that are known.
        let limit = picture.identity == nil ? nil : limits.map { Double($0.perBucket) / Double(picture.k) }
        let spread = SpreadChart(spreads: table.spreads, limit: limit)
        let id: HTML =
            picture.identity.map { "<code>\(picture.network.idEncoding.encode($0.peer.id))</code><br>" } ?? .empty
        let pictureFigure = Figure(
            id: "table-\(number)", title: name ?? "Buckets and contacts",
            caption: """
                \(id)\(Terminal.page.count(contacts, "contact")) in \
                \(Terminal.page.count(picture.buckets.count, "bucket")) of \(picture.k)
                """,
            description:
                "\(contacts) contacts in \(picture.buckets.count) buckets, by common prefix length and standing",
            drawing: chart.drawing, legend: BucketChart.legend, data: chart.data)
        let spreadFigure = Figure(
            id: "spread-\(number)", title: "How much one network or source holds of each bucket",
            caption: """
                Share of a bucket's \(noun) in its largest /24 or /48, and from its largest source\
                \(limit == nil ? "." as HTML : "; the dashed line is a full bucket's limit.")
                """,
            description: Self.worst(table.spreads), drawing: spread.drawing, legend: SpreadChart.legend,
            data: spread.data(noun))
        return "<div class=\"wide\">\(pictureFigure.html)\(spreadFigure.html)</div>"
    }

    private static func worst(_ spreads: [BucketSpread]) -> String {
        let worst = spreads.filter { $0.located > 1 }.max { ($0.networkShare ?? 0) < ($1.networkShare ?? 0) }
        guard let worst, let network = worst.largestNetwork else { return "No bucket has two peers with IP addresses" }
        return "Most concentrated bucket: \(worst.label) bits, \(network.count) of \(worst.located) in \(network.name)"
    }
}
