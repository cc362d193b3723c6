#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// An SQLite file of another program, opened for reading only. Nothing in it is believed: no function or view of its schema
/// runs with rights, values are bounded, pages are checked as they are read.
///
/// A file that is open elsewhere is read with SQLite's locks, its write-ahead log included. One in log mode without a log
/// was closed cleanly: it is read as it stands, because SQLite would make a log and an index beside it.
package struct ForeignDatabase {
    private let connection: Connection

    package init(_ path: String) throws(SQLiteError) {
        let isSettled = Self.isInLogMode(path) && access(path + "-wal", F_OK) != 0
        connection = try Connection(path: path, access: isSettled ? .immutable : .readOnly)
        try connection.execute("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON")
    }

    /// Whether the schema has a table of this name, and no view or virtual table; nor one with columns that are computed when
    /// they are read, in any time that pleased who made the file.
    package func hasTable(_ name: String) throws(SQLiteError) -> Bool {
        let query = try connection.prepare(
            """
            SELECT 1 FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name = ?1
                AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE hidden <> 0)
            """)
        return try query.bind(1, name).step()
    }

    /// Prepares a query. The statement outlives this value.
    package func prepare(_ sql: String) throws(SQLiteError) -> Statement { try connection.prepare(sql) }

    /// Whether the header's read version is that of write-ahead logs.
    private static func isInLogMode(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var version: UInt8 = 0
        return pread(descriptor, &version, 1, 19) == 1 && version == 2
    }
}
