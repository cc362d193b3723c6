/// Where the tables of a damaged database begin, and of which schema version they are.
struct DamagedSchema {
    private(set) var layout: SchemaLayout
    private(set) var roots: [String: UInt32] = [:]
    /// Whether a table or index of ours stands in it, word for word.
    private(set) var isOurs = false
    /// Tables and indexes whose first page is not in the file.
    private(set) var missingRoots = 0

    /// sqlite_schema itself.
    static let table = TableLayout(
        name: "sqlite_schema",
        columns: ["type", "name", "tbl_name", "rootpage", "sql"].map {
            TableLayout.Column(
                name: $0, kind: $0 == "rootpage" ? .integer : .text, isNullable: $0 == "sql", fallback: .null)
        }, order: Array(0..<5), hasRowid: true, rowidColumn: nil, fewest: 5, sql: "", seal: nil)

    private struct Entry {
        let name: String
        let root: UInt32
        let sql: String
    }

    /// - Throws: ``StoreError/newerSchema(path:found:supported:)``.
    init(_ walk: inout TreeWalk) throws {
        let header = walk.pages.header
        var entries: [Entry] = []
        walk.walk(from: 1, Self.table) { walk, _, page in Self.add(&entries, &walk, page) }
        let layouts = try (1...Migrator.latest).reversed().map { try SchemaLayout(version: $0) }
        let told = layouts.first { $0.version == header.schema } ?? layouts[0]
        layout = Self.best(of: layouts, told: told, entries)
        if header.isDatabase, header.applicationID == Migrator.applicationID, header.schema > Migrator.latest,
            entries.isEmpty || entries.count(where: { layout[$0.name] == nil }) > 0
                || entries.count(where: { !$0.sql.isEmpty }) > Self.matches(entries, layout)
        {
            throw StoreError.newerSchema(
                path: walk.pages.file.path, found: header.schema, supported: Migrator.latest)
        }
        take(entries, walk)
        guard roots.count < layout.tables.count else { return }
        // Pages of sqlite_schema that nothing leads to any more, by what stands in them.
        var others: [Entry] = []
        // On a copy: what other rows overflow to is theirs still.
        var copy = walk
        copy.eachOrphan { walk, _, page in
            guard page.kind == .leafTable else { return }
            Self.add(&others, &walk, page)
        }
        // They may show that the file is of another version.
        let version = layout.version
        layout = Self.best(of: layouts, told: layout, entries + others)
        if layout.version != version {
            (roots, missingRoots) = ([:], 0)
            take(entries, walk)
        }
        take(others, walk)
        guard roots.count < layout.tables.count else { return }
        guessRoots(walk)
    }

    /// How many entries are a layout's, word for word.
    private static func matches(_ entries: [Entry], _ layout: SchemaLayout) -> Int {
        entries.count { entry in
            layout[entry.name].map { !$0.sql.isEmpty && SchemaText.isSame($0.sql, entry.sql) } ?? false
        }
    }

    /// The version that most entries are of, the one that is told where others are no better.
    private static func best(of layouts: [SchemaLayout], told: SchemaLayout, _ entries: [Entry]) -> SchemaLayout {
        var best = (layout: told, matches: matches(entries, told))
        for layout in layouts {
            let matches = matches(entries, layout)
            if matches > best.matches { best = (layout, matches) }
        }
        return best.layout
    }

    private mutating func take(_ entries: [Entry], _ walk: TreeWalk) {
        for entry in entries {
            guard let table = layout[entry.name], SchemaText.isSame(table.sql, entry.sql), roots[entry.name] == nil
            else {
                continue
            }
            isOurs = isOurs || !table.sql.isEmpty
            guard entry.root > 1, Int(entry.root) <= walk.pages.count else {
                missingRoots += 1
                continue
            }
            roots[entry.name] = entry.root
        }
    }

    /// A schema of ours has some forty rows: one that was made to fill the memory is not read to its end.
    private static func add(_ entries: inout [Entry], _ walk: inout TreeWalk, _ page: TreePage) {
        if entries.count < 1_000 { entries += self.entries(&walk, page) }
    }

    private static func entries(_ walk: inout TreeWalk, _ page: TreePage) -> [Entry] {
        (0..<page.cellCount).compactMap { index in
            guard let cell = page.cell(index), cell.rowid != nil, let payload = walk.payload(page, cell),
                let values = RecordFormat.values(payload), let row = table.row(values, rowid: cell.rowid),
                row[0].text == "table" || row[0].text == "index", let name = row[1].text,
                let root = row[3].integer.flatMap(UInt32.init(exactly:))
            else { return nil }
            return Entry(name: name, root: root, sql: row[4].text ?? "")
        }
    }

    /// Tables that nothing leads to any more: where a new or a rebuilt file has them, if what lies there is theirs.
    private mutating func guessRoots(_ walk: TreeWalk) {
        let taken = Set(roots.values)
        let guesses = layout.usualRoots.map { usual in
            usual.filter { name, root in
                guard roots[name] == nil, !taken.contains(root), let table = layout[name], table.isTable else {
                    return false
                }
                return Self.isRoot(walk, root, of: table)
            }
        }
        guard let best = guesses.max(by: { $0.count < $1.count }) else { return }
        roots.merge(best) { known, _ in known }
    }

    /// Whether the first rows below a page are a table's.
    private static func isRoot(_ walk: TreeWalk, _ root: UInt32, of table: TableLayout) -> Bool {
        var number = root
        for _ in 0..<TreeWalk.maximumDepth {
            guard !walk.reached.contains(number), let page = walk.node(number, of: table), page.cellCount > 0 else {
                return false
            }
            guard page.kind == .innerTable else { return true }
            guard let child = page.cell(0)?.child else { return false }
            number = child
        }
        return false
    }
}
