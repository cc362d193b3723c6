/// The interned strings of one connection: agents, protocol sets and sources.
///
/// Rows of these tables are never changed, and a number is never given to another string (``Store/sweepStrings()``), so what
/// was read once stays true.
final class StringTables {
    enum Table: Int, CaseIterable {
        case agent, protocolSet, source

        var sealed: SealedTable {
            switch self {
            case .agent: .agent
            case .protocolSet: .protocolSet
            case .source: .source
            }
        }
    }

    private let connection: Connection
    private var names: [[Int64: String]] = [[:], [:], [:]]
    private var numbers: [[ExactString: Int64]] = [[:], [:], [:]]
    private var protocolLists: [Int64: [String]] = [:]
    /// What was looked up last in each table: neighbours mostly share their agent, protocols and source.
    private var latest = [Latest](repeating: Latest(), count: 3)

    private struct Latest {
        var name = ExactString("")
        var number: Int64?
    }

    private var latestProtocols: (names: [String], number: Int64?) = ([], nil)

    /// Caches are emptied beyond this many entries each: a crawl may meet very many agents.
    private static let cacheLimit = 8_192

    /// Rows of a table that nobody looks for whether they are used: a network of honest peers has some thousand agents.
    static let keptUnused: Int64 = 4_096
    /// How many rows each table had when it was last swept.
    private var sweptCounts: [Int64] = [0, 0, 0]

    init(_ connection: Connection) { self.connection = connection }

    /// The string of a row number; nil for null, and for a number that has no row or a damaged one.
    func name(_ table: Table, _ number: Int64?) throws(SQLiteError) -> String? {
        guard let number else { return nil }
        if let known = names[table.rawValue][number] { return known }
        let query =
            switch table {
            case .agent: try connection.statement("SELECT id, name, seal FROM agent WHERE id = ?1")
            case .protocolSet: try connection.statement("SELECT id, names, seal FROM protocol_set WHERE id = ?1")
            case .source: try connection.statement("SELECT id, name, seal FROM source WHERE id = ?1")
            }
        defer { query.reset() }
        guard try query.bind(1, number).step(), query.isSound(table.sealed) else { return nil }
        let name = query.text(1)
        if names[table.rawValue].count >= Self.cacheLimit { names[table.rawValue].removeAll() }
        names[table.rawValue][number] = name
        return name
    }

    /// The row number of a string, if it has one.
    func number(_ table: Table, of name: String) throws(SQLiteError) -> Int64? {
        let exact = ExactString(name)
        let last = latest[table.rawValue]
        if let number = last.number, last.name == exact { return number }
        if let known = numbers[table.rawValue][exact] {
            latest[table.rawValue] = Latest(name: exact, number: known)
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
        return remember(table, exact, query.int64(0))
    }

    /// The row number of a string, made when it has none. For writers, inside a transaction.
    func intern(_ table: Table, _ name: String) throws(SQLiteError) -> Int64 {
        if let known = try number(table, of: name) { return known }
        let (number, insert) =
            switch table {
            case .agent:
                (
                    try connection.nextNumber(after: "SELECT ifnull(max(id), 0) FROM agent"),
                    try connection.statement(
                        "INSERT INTO agent (id, name, seal) VALUES (?1, ?2, ?3)", sealing: .agent)
                )
            case .protocolSet:
                (
                    try connection.nextNumber(after: "SELECT ifnull(max(id), 0) FROM protocol_set"),
                    try connection.statement(
                        "INSERT INTO protocol_set (id, names, seal) VALUES (?1, ?2, ?3)", sealing: .protocolSet)
                )
            case .source:
                (
                    try connection.nextNumber(after: "SELECT ifnull(max(id), 0) FROM source"),
                    try connection.statement(
                        "INSERT INTO source (id, name, seal) VALUES (?1, ?2, ?3)", sealing: .source)
                )
            }
        try insert.bind(1, number).bind(2, name).run()
        return remember(table, ExactString(name), number)
    }

    /// The row number of a protocol list; nil for an empty one.
    func intern(protocols: [String]) throws(SQLiteError) -> Int64? {
        guard !protocols.isEmpty else { return nil }
        if let number = latestProtocols.number, latestProtocols.names.elementsEqual(protocols, by: Self.isSame) {
            return number
        }
        let number = try intern(.protocolSet, protocols.joined(separator: "\n"))
        latestProtocols = (protocols, number)
        return number
    }

    /// Whether a table has grown enough for a look at all peers: half of what was left, so that the looks cost O(1) a row.
    func isSweepDue(_ table: Table) throws(SQLiteError) -> Bool {
        let count = try count(table)
        return count > max(Self.keptUnused, sweptCounts[table.rawValue] / 2 * 3)
    }

    /// Rows that were not used are gone, by this connection's transaction.
    func swept(_ table: Table) throws(SQLiteError) {
        forgetNumbers()
        sweptCounts[table.rawValue] = try count(table)
    }

    private func count(_ table: Table) throws(SQLiteError) -> Int64 {
        switch table {
        case .agent: try connection.integer("SELECT count(*) FROM agent")
        case .protocolSet: try connection.integer("SELECT count(*) FROM protocol_set")
        case .source: try connection.integer("SELECT count(*) FROM source")
        }
    }

    /// Forgets everything: after a rollback, rows that were read inside the transaction are not there, and their numbers
    /// will be given to other strings.
    func forgetAll() {
        names = [[:], [:], [:]]
        protocolLists = [:]
        forgetNumbers()
    }

    /// Forgets row numbers.
    func forgetNumbers() {
        numbers = [[:], [:], [:]]
        latest = [Latest](repeating: Latest(), count: 3)
        latestProtocols = ([], nil)
    }

    private func remember(_ table: Table, _ name: ExactString, _ number: Int64) -> Int64 {
        if numbers[table.rawValue].count >= Self.cacheLimit { numbers[table.rawValue].removeAll() }
        numbers[table.rawValue][name] = number
        return number
    }

    /// Protocols are joined by newlines, which no protocol name contains: they are stored as one string.
    func protocols(_ number: Int64?) throws(SQLiteError) -> [String] {
        guard let number else { return [] }
        if let known = protocolLists[number] { return known }
        let names = try name(.protocolSet, number) ?? ""
        // On bytes: as a Character, a newline can be half of "\r\n".
        let list = names.utf8.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        if protocolLists.count >= Self.cacheLimit { protocolLists.removeAll() }
        protocolLists[number] = list
        return list
    }

    private static func isSame(_ left: String, _ right: String) -> Bool { ExactString(left) == ExactString(right) }
}
