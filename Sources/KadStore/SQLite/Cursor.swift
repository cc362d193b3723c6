import CSQLite

/// A statement without its owner: for loops over rows, where counting references would cost as much as the row. Valid as
/// long as the ``Statement`` that it comes from.
struct Cursor {
    fileprivate let handle: OpaquePointer

    /// Advances to the next row. On failure the statement keeps its error for ``Statement/failure(_:)``.
    @inline(__always)
    func step() -> Int32 { sqlite3_step(handle) }

    @inline(__always)
    func reset() { sqlite3_reset(handle) }

    /// The bytes of a column, valid until the next step or reset. Through the value rather than the column: that spares
    /// SQLite's bookkeeping of the connection's error at every call.
    @inline(__always)
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let value = sqlite3_column_value(handle, column)
        let start = sqlite3_value_blob(value)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_value_bytes(value)))
    }

    func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func optionalInt64(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : int64(column)
    }
}

extension Statement {
    /// This statement as a cursor; whoever uses it keeps the statement alive.
    var cursor: Cursor { Cursor(handle: handle) }

    /// What went wrong when a step returned `code`. Resets the statement.
    func failure(_ code: Int32) -> SQLiteError {
        let error = Connection.error(code, connection, sql, waitedMilliseconds: busyWait.waitedMilliseconds)
        reset()
        return error
    }
}
