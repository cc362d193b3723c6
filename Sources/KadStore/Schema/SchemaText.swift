import CSQLite
import Synchronization

/// What a file's schema says, beside what our migrations make. A schema is a program: a changed table, an index over an
/// expression or a trigger would be run by whoever opens the file.
enum SchemaText {
    struct Object: Hashable {
        enum Kind: String {
            case table, index, view, trigger
        }

        var kind: Kind?
        var name: String
        /// The table that an index or a trigger is of.
        var table: String
        var isVirtual: Bool
        var sql: String

        var title: String { "\(kind?.rawValue ?? "object") \(name)" }

        /// Whether one that is none of ours may stay: nothing of it runs with our statements.
        func isHarmless(beside expected: [String: Object]) -> Bool {
            switch kind {
            case .view: true
            // SQLite's own statistics, or a stranger's notes. A reference to a table of ours is followed when a row goes.
            case .table: !isVirtual && !sql.lowercased().contains("references")
            case .index: expected["table \(table)"] == nil
            case .trigger, nil: false
            }
        }
    }

    /// The objects of a file but those that SQLite makes by itself, which have no text.
    static func objects(_ connection: Connection) throws -> [Object] {
        let query = try connection.prepare(
            "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        var objects: [Object] = []
        while try query.step() {
            let kind = Object.Kind(rawValue: query.text(0))
            objects.append(
                Object(
                    kind: kind, name: query.text(1), table: query.text(2),
                    isVirtual: kind == .table && query.int64(3) == 0, sql: query.text(4)))
        }
        return objects
    }

    /// What the migrations up to a version make, by title.
    static func expected(through version: Int) throws -> [String: Object] {
        if let known = models.withLock({ $0[version] }) { return known }
        let objects = Dictionary(try objects(Migrator.model(through: version)).map { ($0.title, $0) }) { first, _ in
            first
        }
        models.withLock { $0[version] = objects }
        return objects
    }

    /// One for each version that this process has met.
    private static let models = Mutex<[Int: [String: Object]]>([:])

    /// What of a file's schema would run with our statements, or hold them up, and is none of ours; nil where nothing is.
    ///
    /// Tables and views that somebody added for himself are none of our business, as long as ours know nothing of them. What is
    /// missing is damage, and shows where it is needed: a check names it.
    static func intrusion(_ connection: Connection, version: Int) throws -> String? {
        let expected = try expected(through: version)
        for object in try objects(connection) {
            if let ours = expected[object.title] {
                if !isSame(ours.sql, object.sql) || object.isVirtual { return "\(object.title) has been changed" }
                continue
            }
            if !object.isHarmless(beside: expected) { return "\(object.title) is none of ours" }
        }
        return nil
    }

    /// Whether two texts make the same of an empty file.
    static func isSame(_ one: String, _ other: String) -> Bool { one == other || text(one) == text(other) }

    /// With white space only between words, and one space of it: releases of SQLite set what ALTER TABLE adds apart in
    /// different ways.
    private static func text(_ sql: String) -> [UInt8] {
        var text: [UInt8] = []
        var isApart = false
        for byte in sql.utf8 {
            if [0x20, 0x09, 0x0a, 0x0d].contains(byte) {
                isApart = true
                continue
            }
            if isApart, let last = text.last, !punctuation.contains(last), !punctuation.contains(byte) {
                text.append(0x20)
            }
            text.append(byte)
            isApart = false
        }
        return text
    }

    private static let punctuation = Set("(),".utf8)
}
