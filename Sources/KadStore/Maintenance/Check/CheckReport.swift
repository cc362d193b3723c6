import CSQLite
import Kademlia

/// What a check of a store found.
public struct CheckReport: Hashable, Sendable {
    /// Something that should not be so.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// The table, or the part of the file.
        public var place: String
        /// The peer's key, where the problem is one peer's.
        public var key: Key?
        public var text: String

        public var description: String {
            let peer = key.map { " \($0.hex())" } ?? ""
            return "\(place)\(peer): \(text)"
        }
    }

    /// The first problems, at most ``problemLimit``.
    public internal(set) var problems: [Problem] = []
    /// All of them, counted.
    public internal(set) var problemCount = 0
    public internal(set) var peersChecked = 0
    public internal(set) var contactsChecked = 0
    /// Rows that do not match their seals; each is a problem.
    public internal(set) var damagedRows = 0
    /// Rows without a seal, written by an older version or by hand: no problem, but damage to them may go unnoticed.
    public internal(set) var unsealedRows = 0
    /// What is wrong with the log: a page of it is damaged, and commits that were finished stand behind it, where SQLite does not
    /// see them. No problem of the store, which is what it was before them: a loss of power, which takes what was not synced in any
    /// order, leaves the same. A salvage looks behind.
    public internal(set) var logFault: String?
    /// Whether keys were derived from their ids again, and indexes compared with their tables.
    public let isFull: Bool
    /// The SQLite library that this process runs on.
    public let sqliteVersion = String(cString: sqlite3_libversion())

    public static let problemLimit = 100

    public var isSound: Bool { problemCount == 0 }

    /// Whether that library can lose pages when a checkpoint meets a commit that resets the log (3.7.0 to 3.51.2, but for
    /// 3.50.7 and 3.44.6). Processes of this software keep the two apart by a lock of their own; foreign programs that
    /// write the file do not take it.
    public var isAffectedByWALReset: Bool { Self.isAffectedByWALReset(version: Int(sqlite3_libversion_number())) }

    static func isAffectedByWALReset(version: Int) -> Bool {
        switch version {
        case 3_044_006..<3_045_000, 3_050_007..<3_051_000: false
        case 3_007_000..<3_051_003: true
        default: false
        }
    }

    init(isFull: Bool) { self.isFull = isFull }

    mutating func note(_ place: String, _ text: String) { note(place, nil, text) }

    mutating func note(_ place: String, _ key: Key?, _ text: String) {
        problemCount += 1
        if problems.count < Self.problemLimit { problems.append(Problem(place: place, key: key, text: text)) }
    }
}
