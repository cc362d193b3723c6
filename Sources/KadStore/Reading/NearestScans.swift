import Kademlia

/// The range scans of a nearest-k, prepared once for each read connection.
///
/// The open end of a range costs a comparison a row: only walks inside clusters have two ends.
final class NearestScans {
    let up: Statement
    let down: Statement
    private let boundedUp: Statement
    private let boundedDown: Statement

    /// The columns that a nearest-k returns.
    init(_ connection: Connection) throws(SQLiteError) {
        up = try connection.statement("SELECT key, id, addresses FROM peer WHERE key >= ?1 ORDER BY key")
        down = try connection.statement("SELECT key, id, addresses FROM peer WHERE key <= ?1 ORDER BY key DESC")
        boundedUp = try connection.statement(
            "SELECT key, id, addresses FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
        boundedDown = try connection.statement(
            "SELECT key, id, addresses FROM peer WHERE key BETWEEN ?2 AND ?1 ORDER BY key DESC")
    }

    /// The same, and the columns that filters ask for: each costs some 250 instructions a row.
    init(filtering connection: Connection) throws(SQLiteError) {
        up = try connection.statement(
            """
            SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
            FROM peer WHERE key >= ?1 ORDER BY key
            """)
        down = try connection.statement(
            """
            SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
            FROM peer WHERE key <= ?1 ORDER BY key DESC
            """)
        boundedUp = try connection.statement(
            """
            SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
            FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key
            """)
        boundedDown = try connection.statement(
            """
            SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
            FROM peer WHERE key BETWEEN ?2 AND ?1 ORDER BY key DESC
            """)
    }

    func scan(_ direction: WalkDirection, isOpen: Bool) -> Statement {
        switch direction {
        case .up: isOpen ? up : boundedUp
        case .down: isOpen ? down : boundedDown
        }
    }
}
