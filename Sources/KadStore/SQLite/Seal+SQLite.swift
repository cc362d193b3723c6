import CSQLite

extension Seal {
    /// Takes in a column as SQLite holds it.
    @inline(__always)
    fileprivate mutating func add(_ column: Int32, _ value: OpaquePointer?) {
        switch sqlite3_value_type(value) {
        case SQLITE_INTEGER: add(column, integer: sqlite3_value_int64(value))
        case SQLITE_FLOAT: add(column, real: sqlite3_value_double(value))
        case SQLITE_TEXT:
            let start = sqlite3_value_text(value)
            let count = start == nil ? 0 : Int(sqlite3_value_bytes(value))
            add(column, text: UnsafeRawBufferPointer(start: start, count: count))
        case SQLITE_BLOB:
            let start = sqlite3_value_blob(value)
            let count = start == nil ? 0 : Int(sqlite3_value_bytes(value))
            add(column, blob: UnsafeRawBufferPointer(start: start, count: count))
        default: break
        }
    }
}

extension Statement {
    /// Whether the row is one that was written as it is: the columns from 0 are those of `table`, in their order, and then
    /// comes the seal. A row without a seal is taken at its word: it is older than seals, or was written by hand.
    func isSound(_ table: SealedTable) -> Bool { soundness(of: table) != .damaged }

    enum Soundness {
        case sealed, unsealed, damaged
    }

    func soundness(of table: SealedTable) -> Soundness {
        let found = sqlite3_column_value(handle, table.columnCount)
        guard sqlite3_value_type(found) != SQLITE_NULL else { return .unsealed }
        let stored = sqlite3_value_int64(found)
        var seal = Seal(table)
        for column in 0..<table.columnCount { seal.add(column, sqlite3_column_value(handle, column)) }
        return seal.value == stored ? .sealed : .damaged
    }
}

extension Connection {
    /// Lets SQL of this connection compute seals: `seal_of(number of the table, its columns in their order)`.
    func defineSeals() throws(SQLiteError) {
        let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY
        let code = sqlite3_create_function_v2(
            handle, "seal_of", -1, flags, nil,
            { context, count, arguments in
                guard count > 0, let arguments,
                    let table = SealedTable(rawValue: UInt8(clamping: sqlite3_value_int64(arguments[0])))
                else { return }
                var seal = Seal(table)
                for column in 1..<max(1, count) { seal.add(column - 1, arguments[Int(column)]) }
                sqlite3_result_int64(context, seal.value)
            }, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, "define seal_of") }
    }

    /// Seals the rows that have no seal, as they are.
    ///
    /// - Returns: how many there were.
    /// - Complexity: O(n).
    func sealUnsealed() throws(SQLiteError) -> Int {
        try defineSeals()
        var count = 0
        for table in SealedTable.allCases {
            let columns = table.columns.joined(separator: ", ")
            let update = try prepare(
                "UPDATE \(table.name) SET seal = seal_of(\(table.rawValue), \(columns)) WHERE seal IS NULL")
            try update.run()
            count += changes
        }
        return count
    }
}
