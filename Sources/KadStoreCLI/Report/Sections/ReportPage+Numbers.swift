extension ReportPage {
    /// Every number of `stats --json`, exact and by its path.
    var numberSection: Section {
        let rows = numbers.all.map { entry -> [HTML] in
            ["<code>\(entry.path)</code>", numbers.mark(entry.path, entry.value)]
        }
        let table = DataTable(caption: "Numbers of kadstore stats --json", columns: ["Member", "value"], rows: rows)
        return Section(
            id: "numbers", title: "All numbers", lead: "Exactly as <code>kadstore stats --json</code> prints them.",
            body: "<details><summary>\(rows.count) numbers</summary>\(table.html)</details>")
    }
}
