/// A value as a database file stores it, outside of SQLite.
enum RawValue: Hashable, Sendable {
    case null
    case integer(Int64)
    /// The bits of a number of 64 bits: no table of ours has one.
    case real(UInt64)
    case text(ArraySlice<UInt8>)
    case blob(ArraySlice<UInt8>)

    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }

    var blob: ArraySlice<UInt8>? { if case .blob(let bytes) = self { bytes } else { nil } }

    var text: String? {
        guard case .text(let bytes) = self else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// Reads rows in SQLite's record format (<https://www.sqlite.org/fileformat2.html#record_format>). Total: whatever the bytes
/// are, nothing worse comes of them than nil.
enum RecordFormat {
    /// No table of ours has half as many columns.
    static let maximumColumns = 64

    /// What a record's own header says: the type of each column, and where the first of them begins.
    struct Header {
        var types: [UInt64]
        var body: Int
    }

    /// An unsigned number of one to nine bytes.
    static func varint(_ bytes: ArraySlice<UInt8>, at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<9 {
            guard at >= bytes.startIndex, at < bytes.endIndex else { return nil }
            let byte = bytes[at]
            at += 1
            if index == 8 { return value << 8 | UInt64(byte) }
            value = value << 7 | UInt64(byte & 0x7f)
            if byte & 0x80 == 0 { return value }
        }
        return value
    }

    /// The header of the record that begins at `start`.
    static func header(_ bytes: ArraySlice<UInt8>, at start: Int) -> Header? {
        var at = start
        // A column's type takes nine bytes at most.
        guard let length = varint(bytes, at: &at), length <= UInt64(9 * (maximumColumns + 1)) else { return nil }
        let body = start + Int(length)
        guard body <= bytes.endIndex else { return nil }
        var types: [UInt64] = []
        while at < body {
            guard types.count < maximumColumns, let type = varint(bytes, at: &at) else { return nil }
            types.append(type)
        }
        return at == body ? Header(types: types, body: body) : nil
    }

    /// The columns of a whole record; nil where it does not end with the bytes.
    static func values(_ payload: ArraySlice<UInt8>) -> [RawValue]? {
        guard let header = header(payload, at: payload.startIndex) else { return nil }
        var at = header.body
        var values: [RawValue] = []
        values.reserveCapacity(header.types.count)
        for type in header.types {
            guard let count = byteCount(type), count <= payload.endIndex - at else { return nil }
            let bytes = payload[at..<at + count]
            at += count
            switch type {
            case 0: values.append(.null)
            case 8: values.append(.integer(0))
            case 9: values.append(.integer(1))
            case 7: values.append(.real(bytes.reduce(0) { $0 << 8 | UInt64($1) }))
            case 1...6: values.append(.integer(integer(bytes)))
            default: values.append(type.isMultiple(of: 2) ? .blob(bytes) : .text(bytes))
            }
        }
        return at == payload.endIndex ? values : nil
    }

    /// The bytes that a column of a type takes; nil for types that there are not.
    private static func byteCount(_ type: UInt64) -> Int? {
        switch type {
        case 0, 8, 9: 0
        case 1...4: Int(type)
        case 5: 6
        case 6, 7: 8
        case 10, 11: nil
        default: Int(exactly: (type - 12) / 2)
        }
    }

    /// Two's complement, the highest byte first.
    private static func integer(_ bytes: ArraySlice<UInt8>) -> Int64 {
        let start: Int64 = (bytes.first ?? 0) & 0x80 == 0 ? 0 : -1
        return bytes.reduce(start) { $0 << 8 | Int64($1) }
    }
}
