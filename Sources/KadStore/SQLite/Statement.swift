import CSQLite
import Kademlia

/// One prepared statement: bind, step, read columns, reset.
package final class Statement {
    let sql: String
    let connection: OpaquePointer
    let handle: OpaquePointer
    /// Kept for as long as SQLite may wait for this statement's sake.
    let busyWait: BusyWait
    /// Where bound keys lie until they are bound anew: spares SQLite a copy of its own for each.
    private let keys: UnsafeMutableRawPointer
    private static let keySlots: Int32 = 3
    /// Of what was bound since the last run, where the statement writes rows of a sealed table.
    private var seal: Seal?
    private let sealed: SealedTable?

    /// - Parameter sealed: the table whose whole rows the statement writes: parameters are its columns, numbered in their
    ///   order, and one more is the seal, which ``run()`` binds.
    init(
        _ connection: OpaquePointer, _ sql: String, _ busyWait: BusyWait, persistent: Bool,
        sealing sealed: SealedTable? = nil
    ) throws(SQLiteError) {
        self.sql = sql
        self.connection = connection
        self.busyWait = busyWait
        self.sealed = sealed
        seal = sealed.map { Seal($0) }
        let flags = persistent ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(connection, sql, -1, flags, &prepared, nil)
        guard code == SQLITE_OK, let prepared else {
            throw Connection.error(code, connection, sql, waitedMilliseconds: busyWait.waitedMilliseconds)
        }
        handle = prepared
        keys = .allocate(byteCount: Int(Self.keySlots) * Key.byteCount, alignment: 8)
    }

    deinit {
        sqlite3_finalize(handle)
        keys.deallocate()
    }

    /// Advances to the next row.
    ///
    /// - Returns: false when there are no more rows.
    package func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        throw failure(code)
    }

    /// Steps once and resets: for statements without rows. Seals the row where it writes one.
    func run() throws(SQLiteError) {
        if let sealed, let seal { sqlite3_bind_int64(handle, sealed.columnCount + 1, seal.value) }
        _ = try step()
        reset()
    }

    /// Makes the statement ready to run again. Ends the implicit read transaction when it was the last one running.
    func reset() {
        sqlite3_reset(handle)
        forgetSeal()
    }

    /// Begins a new row: what was bound for one that was never written is forgotten.
    func forgetSeal() { if let sealed { seal = Seal(sealed) } }

    // MARK: Binding, from 1

    @discardableResult
    func bind(_ index: Int32, _ value: Int64) -> Self {
        sqlite3_bind_int64(handle, index, value)
        seal?.add(index - 1, integer: value)
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: Int64?) -> Self {
        if let value { return bind(index, value) }
        sqlite3_bind_null(handle, index)
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ text: String) -> Self {
        var text = text
        text.withUTF8 { utf8 in
            seal?.add(index - 1, text: UnsafeRawBufferPointer(utf8))
            _ = utf8.withMemoryRebound(to: CChar.self) {
                kadstore_bind_text(handle, index, $0.baseAddress ?? Self.emptyText, Int32(clamping: $0.count))
            }
        }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ text: String?) -> Self {
        guard let text else {
            sqlite3_bind_null(handle, index)
            return self
        }
        return bind(index, text)
    }

    @discardableResult
    func bind(_ index: Int32, bytes: UnsafeRawBufferPointer) -> Self {
        seal?.add(index - 1, blob: bytes)
        if bytes.isEmpty {
            sqlite3_bind_zeroblob(handle, index, 0)
        } else {
            _ = kadstore_bind_blob(handle, index, bytes.baseAddress, Int32(clamping: bytes.count))
        }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ bytes: ArraySlice<UInt8>) -> Self {
        bytes.withUnsafeBytes { _ = bind(index, bytes: $0) }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ bytes: [UInt8]?) -> Self {
        guard let bytes else {
            sqlite3_bind_null(handle, index)
            return self
        }
        bytes.withUnsafeBytes { _ = bind(index, bytes: $0) }
        return self
    }

    /// Binds the first `width` bytes of a key.
    @discardableResult
    func bind(_ index: Int32, _ key: Key, width: Int) -> Self {
        guard (1...Self.keySlots).contains(index) else {
            key.withBytes { _ = bind(index, bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(width))) }
            return self
        }
        let slot = keys + Int(index - 1) * Key.byteCount
        slot.storeBytes(of: key.bigEndianWords, as: (UInt64, UInt64, UInt64, UInt64).self)
        sqlite3_bind_blob(handle, index, slot, Int32(clamping: width), nil)
        seal?.add(index - 1, blob: UnsafeRawBufferPointer(start: slot, count: width))
        return self
    }

    /// Binds bytes that SQLite is not to copy: they must stay where they are until the statement is reset.
    @discardableResult
    func bind(_ index: Int32, borrowing bytes: UnsafeRawBufferPointer) -> Self {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return bind(index, bytes: bytes) }
        sqlite3_bind_blob(handle, index, start, Int32(clamping: bytes.count), nil)
        seal?.add(index - 1, blob: bytes)
        return self
    }

    // MARK: Columns, from 0

    package func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    package func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    func optionalInt64(_ column: Int32) -> Int64? { isNull(column) ? nil : int64(column) }

    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    /// The bytes of a column, valid until the next step, reset or conversion.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }

    package func array(_ column: Int32) -> [UInt8] { Array(bytes(column)) }

    private nonisolated(unsafe) static let emptyText: UnsafePointer<CChar> = {
        let start = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        start.initialize(to: 0)
        return UnsafePointer(start)
    }()
}
