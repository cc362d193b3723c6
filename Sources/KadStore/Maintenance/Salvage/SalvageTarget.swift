import Kademlia
import Migrations

/// The new store that salvaged rows go into: a file that nobody else knows of.
///
/// Rows go in as they were read, by SQL, column for column: a record made of them anew could say less. Those of trees come
/// first. Orphans wait beside, and fill what is missing, the newest first: of whatever is there twice, the copy that a
/// table led to stays.
final class SalvageTarget {
    let path: String
    private let connection: Connection
    private let layout: SchemaLayout
    private var inserts: [String: (live: Statement, orphan: Statement)] = [:]

    /// - Parameter path: an empty file.
    init(_ path: String, layout: SchemaLayout, now: Instant, pageBytes: Int) throws {
        self.path = path
        self.layout = layout
        connection = try Connection(path: path, access: .readWrite)
        // A journal would protect nothing: the file has no name yet.
        try connection.execute(
            """
            PRAGMA page_size = \(pageBytes); PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            PRAGMA cache_size = -65536; ATTACH '' AS orphan
            """)
        try connection.execute("BEGIN IMMEDIATE")
        try Migrator(connection: connection, path: path).create(through: layout.version, now: now)
        for table in layout.tables where RowJudge.tables.contains(table.name) {
            let columns = table.columns.map(\.name).joined(separator: ", ")
            let places = table.columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
            try connection.execute(
                "CREATE TABLE orphan.\(table.name) AS SELECT \(columns) FROM main.\(table.name) WHERE 0")
            inserts[table.name] = (
                try connection.prepare("INSERT OR IGNORE INTO main.\(table.name) (\(columns)) VALUES (\(places))"),
                try connection.prepare("INSERT INTO orphan.\(table.name) (\(columns)) VALUES (\(places))")
            )
        }
    }

    /// - Returns: whether it was new; always so for an orphan, which is only compared in the end.
    func insert(_ row: [RawValue], into table: TableLayout, isOrphan: Bool) throws -> Bool {
        guard let statements = inserts[table.name] else { return false }
        let insert = isOrphan ? statements.orphan : statements.live
        for (place, value) in row.enumerated() {
            let index = Int32(place + 1)
            switch value {
            case .null, .real: insert.bind(index, nil as Int64?)
            case .integer(let number): insert.bind(index, number)
            case .text: insert.bind(index, value.text ?? "")
            case .blob(let bytes): insert.bind(index, bytes)
            }
        }
        try insert.run()
        return connection.changes > 0
    }

    /// Lets the orphans fill what is missing.
    ///
    /// - Returns: by table, how many did, and how many there were already.
    func settleOrphans() throws -> [String: (saved: Int, superseded: Int)] {
        var settled: [String: (saved: Int, superseded: Int)] = [:]
        for table in layout.tables where inserts[table.name] != nil {
            let count = try connection.prepare("SELECT count(*) FROM orphan.\(table.name)")
            guard try count.step(), count.int64(0) > 0 else { continue }
            let found = Int(count.int64(0))
            count.reset()
            let columns = table.columns.map(\.name).joined(separator: ", ")
            let order = Self.newest(table.name).map { " ORDER BY \($0) DESC" } ?? ""
            try connection.execute(
                "INSERT OR IGNORE INTO main.\(table.name) (\(columns)) SELECT \(columns) FROM orphan.\(table.name)\(order)"
            )
            settled[table.name] = (connection.changes, found - connection.changes)
        }
        return settled
    }

    /// What grows with each version of a row.
    private static func newest(_ table: String) -> String? {
        switch table {
        case "peer", "candidate", "member": "last_seen"
        case "failure": "last_at"
        case "backoff": "streak_at"
        case "tombstone": "dropped_at"
        case "held", "visit", "witness", "canary": "at"
        case "value", "provider": "received_at"
        case "session": "ended_at"
        case "clock": "high_water"
        case "bucket": "refreshed_at"
        case "crawl": "ended_at"
        case "crawl_total": "peers"
        default: nil
        }
    }

    /// Ends the transaction: the rows are in.
    func commit() throws {
        inserts = [:]
        try connection.execute("COMMIT")
        try connection.execute("DETACH orphan; PRAGMA journal_mode = WAL")
    }
}
