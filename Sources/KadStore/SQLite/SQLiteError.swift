import CSQLite

/// What SQLite said, with what it was asked.
public struct SQLiteError: Error, Hashable, Sendable {
    /// The primary result code (`SQLITE_BUSY` = 5, `SQLITE_FULL` = 13 …).
    public let code: Int32
    /// The extended result code, which holds the primary one in its low byte.
    public let extendedCode: Int32
    /// SQLite's own words, for people.
    public let message: String
    /// The statement, or what was attempted.
    public let statement: String
    /// The operating system's error number where one is behind it, else 0.
    public let systemError: Int32
    /// Where another connection's lock was in the way: how long it was waited for, in milliseconds.
    public let waitedMilliseconds: Int

    init(code: Int32, message: String, statement: String, systemError: Int32 = 0, waitedMilliseconds: Int = 0) {
        self.code = code & 0xff
        extendedCode = code
        self.message = message
        self.statement = statement
        self.systemError = systemError
        self.waitedMilliseconds = waitedMilliseconds
    }
}

extension SQLiteError {
    /// None of SQLite's: it was not asked, for something is in the way that ``message`` names.
    static let obstructed: Int32 = 0xff
}

extension SQLiteError: CustomStringConvertible {
    public var description: String {
        let folded = statement.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let shown = folded.count > 120 ? folded.prefix(117) + "..." : folded[...]
        return "\(message) (SQLite \(code), extended \(extendedCode)) in: \(shown)"
    }
}
