/// The interned strings of one connection: agents, protocol sets and sources.
///
/// Rows of these tables are never changed, so what was read once stays true.
final class StringTables {
    enum Table: Int {
        case agent, protocolSet, source
    }

    private let connection: Connection
    private var names: [[Int64: String]] = [[:], [:], [:]]
    private var numbers: [[String: Int64]] = [[:], [:], [:]]
    /// What was looked up last in each table: neighbours mostly share their agent, protocols and source.
    private var latest: [(name: String, number: Int64)] = [("", 0), ("", 0), ("", 0)]

    /// Caches are emptied beyond this many entries each: a crawl may meet very many agents.
    private static let cacheLimit = 8_192

    init(_ connection: Connection) { self.connection = connection }

    /// The string of a row number; nil for null and for a number that has no row.
    func name(_ table: Table, _ number: Int64?) throws(SQLiteError) -> String? {
        guard let number else { return nil }
        if let known = names[table.rawValue][number] { return known }
        let query =
            switch table {
            case .agent: try connection.statement("SELECT name FROM agent WHERE id = ?1")
            case .protocolSet: try connection.statement("SELECT names FROM protocol_set WHERE id = ?1")
            case .source: try connection.statement("SELECT name FROM source WHERE id = ?1")
            }
        defer { query.reset() }
        guard try query.bind(1, number).step() else { return nil }
        let name = query.text(0)
        if names[table.rawValue].count >= Self.cacheLimit { names[table.rawValue].removeAll() }
        names[table.rawValue][number] = name
        return name
    }

    /// The row number of a string, if it has one.
    func number(_ table: Table, of name: String) throws(SQLiteError) -> Int64? {
        let last = latest[table.rawValue]
        if last.number != 0, last.name == name { return last.number }
        if let known = numbers[table.rawValue][name] {
            latest[table.rawValue] = (name, known)
            return known
        }
        let query =
            switch table {
            case .agent: try connection.statement("SELECT id FROM agent WHERE name = ?1")
            case .protocolSet: try connection.statement("SELECT id FROM protocol_set WHERE names = ?1")
            case .source: try connection.statement("SELECT id FROM source WHERE name = ?1")
            }
        defer { query.reset() }
        guard try query.bind(1, name).step() else { return nil }
        return remember(table, name, query.int64(0))
    }

    /// The row number of a string, made when it has none. For writers, inside a transaction.
    func intern(_ table: Table, _ name: String) throws(SQLiteError) -> Int64 {
        if let known = try number(table, of: name) { return known }
        let insert =
            switch table {
            case .agent: try connection.statement("INSERT INTO agent (name) VALUES (?1) RETURNING id")
            case .protocolSet: try connection.statement("INSERT INTO protocol_set (names) VALUES (?1) RETURNING id")
            case .source: try connection.statement("INSERT INTO source (name) VALUES (?1) RETURNING id")
            }
        defer { insert.reset() }
        _ = try insert.bind(1, name).step()
        let number = insert.int64(0)
        while try insert.step() {}
        return remember(table, name, number)
    }

    /// Forgets row numbers: after a rollback they may belong to nobody.
    func forgetNumbers() {
        numbers = [[:], [:], [:]]
        latest = [("", 0), ("", 0), ("", 0)]
    }

    private func remember(_ table: Table, _ name: String, _ number: Int64) -> Int64 {
        if numbers[table.rawValue].count >= Self.cacheLimit { numbers[table.rawValue].removeAll() }
        numbers[table.rawValue][name] = number
        return number
    }

    /// Protocols are joined by newlines, which no protocol name contains: they are stored as one string.
    static func join(_ protocols: [String]) -> String? {
        protocols.isEmpty ? nil : protocols.joined(separator: "\n")
    }

    static func split(_ names: String?) -> [String] {
        names?.split(separator: "\n").map(String.init) ?? []
    }
}
