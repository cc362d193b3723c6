import Migrations

/// A table or index as the migrations make it: what a row of it looks like in a file.
struct TableLayout {
    struct Column {
        enum Kind: String {
            case integer = "INTEGER"
            case text = "TEXT"
            case blob = "BLOB"
        }

        let name: String
        let kind: Kind
        let isNullable: Bool
        /// What a row has that was written before there was the column.
        let fallback: RawValue
    }

    let name: String
    /// Empty for an index.
    let columns: [Column]
    /// The place in a row of each column: those of the primary key come first where there is no rowid.
    let order: [Int]
    let hasRowid: Bool
    /// The column that is the rowid, if one is.
    let rowidColumn: Int?
    /// Columns of the oldest rows: those that the table was made with. Later ones came by ALTER TABLE, which writes no row.
    let fewest: Int
    /// Of an index, what stands in its entries: the columns that it is over, and those that lead to the row.
    var entry: [Column.Kind] = []
    /// As sqlite_schema has it; empty for what SQLite makes by itself.
    let sql: String
    /// What its rows are sealed as, if they are.
    let seal: SealedTable?

    var isTable: Bool { !columns.isEmpty }
    var usesIndexPages: Bool { !isTable || !hasRowid }

    /// A row's columns, in the order of the table; nil where they are of other kinds or numbers.
    func row(_ values: [RawValue], rowid: Int64?) -> [RawValue]? {
        guard values.count >= fewest, values.count <= columns.count, hasRowid == (rowid != nil) else { return nil }
        var row = columns.map(\.fallback)
        for (place, value) in values.enumerated() { row[order[place]] = value }
        if let rowidColumn, let rowid {
            guard values.count > rowidColumn, values[rowidColumn] == .null else { return nil }
            row[rowidColumn] = .integer(rowid)
        }
        for (column, value) in zip(columns, row) where !column.admits(value) { return nil }
        return row
    }
}

extension TableLayout.Column {
    func admits(_ value: RawValue) -> Bool {
        switch value {
        case .null: isNullable
        case .integer: kind == .integer
        case .text(let bytes): kind == .text && String(validating: bytes, as: UTF8.self) != nil
        case .blob: kind == .blob
        case .real: false
        }
    }
}

/// Every table and index of a schema version, and where new files have their roots.
struct SchemaLayout {
    let version: Int
    let tables: [TableLayout]
    /// The first page of each by its name: of a file that was made with this version, and of one that was rebuilt.
    let usualRoots: [[String: UInt32]]

    init(version: Int) throws {
        self.version = version
        let model = try Connection(path: "", access: .memory)
        var fewest: [String: Int] = [:]
        for migration in Migration.all where migration.version <= version {
            try model.execute(String(decoding: migration.sql, as: UTF8.self))
            for (name, count) in try Self.columnCounts(model) where fewest[name] == nil { fewest[name] = count }
        }
        let made = try Self.roots(model)
        try model.execute("VACUUM")
        usualRoots = [made, try Self.roots(model)]
        let rows = try model.prepare(
            "SELECT name, type, ifnull(sql, '') FROM sqlite_schema WHERE rootpage > 0 ORDER BY rowid")
        var tables: [TableLayout] = []
        while try rows.step() {
            let name = rows.text(0)
            tables.append(
                try Self.layout(
                    name, isTable: rows.text(1) == "table", fewest: fewest[name] ?? 0, sql: rows.text(2), model))
        }
        self.tables = tables
    }

    subscript(name: String) -> TableLayout? { tables.first { $0.name == name } }

    private static func columnCounts(_ model: Connection) throws -> [(String, Int)] {
        let rows = try model.prepare(
            """
            SELECT s.name, count(*) FROM sqlite_schema s, pragma_table_info(s.name) WHERE s.type = 'table' GROUP BY s.name
            """)
        var counts: [(String, Int)] = []
        while try rows.step() { counts.append((rows.text(0), Int(rows.int64(1)))) }
        return counts
    }

    private static func roots(_ model: Connection) throws -> [String: UInt32] {
        let rows = try model.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")
        var roots: [String: UInt32] = [:]
        while try rows.step() { roots[rows.text(0)] = UInt32(exactly: rows.int64(1)) }
        return roots
    }

    private static func layout(
        _ name: String, isTable: Bool, fewest: Int, sql: String, _ model: Connection
    ) throws -> TableLayout {
        guard isTable else {
            let entry = try model.prepare(
                """
                SELECT ifnull(c.type, 'INTEGER') FROM pragma_index_xinfo('\(name)') x
                    JOIN sqlite_schema s ON s.name = '\(name)'
                    LEFT JOIN pragma_table_info(s.tbl_name) c ON c.cid = x.cid ORDER BY x.seqno
                """)
            var kinds: [TableLayout.Column.Kind] = []
            while try entry.step() { kinds.append(TableLayout.Column.Kind(rawValue: entry.text(0)) ?? .blob) }
            return TableLayout(
                name: name, columns: [], order: [], hasRowid: false, rowidColumn: nil, fewest: 0, entry: kinds,
                sql: sql,
                seal: nil)
        }
        // Names of ours: no quoting.
        let list = try model.prepare("SELECT wr FROM pragma_table_list('\(name)')")
        let hasRowid = try !list.step() || list.int64(0) == 0
        let info = try model.prepare(
            "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('\(name)') ORDER BY cid")
        var columns: [TableLayout.Column] = []
        var key: [(rank: Int64, place: Int)] = []
        while try info.step() {
            let kind = TableLayout.Column.Kind(rawValue: info.text(1)) ?? .blob
            let fallback = Int64(info.text(3)).map(RawValue.integer) ?? .null
            let rank = info.int64(4)
            let isNullable = info.int64(2) == 0 && (rank == 0 || hasRowid && kind != .integer)
            if rank > 0 { key.append((rank, columns.count)) }
            columns.append(
                TableLayout.Column(name: info.text(0), kind: kind, isNullable: isNullable, fallback: fallback))
        }
        let leading = hasRowid ? [] : key.sorted { $0.rank < $1.rank }.map(\.place)
        let order = leading + columns.indices.filter { !leading.contains($0) }
        let isAlias = hasRowid && key.count == 1 && columns[key[0].place].kind == .integer
        return TableLayout(
            name: name, columns: columns, order: order, hasRowid: hasRowid,
            rowidColumn: isAlias ? key[0].place : nil, fewest: fewest, sql: sql,
            seal: SealedTable.allCases.first { $0.name == name })
    }
}
