import Kademlia

/// The keys of the rows that a database page holds, told from its bytes alone
/// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>).
///
/// They only say where to look: what is there is then read by SQL. Whatever the bytes are, nothing worse comes of them
/// than a search in vain.
struct PageKeys {
    enum Table {
        case peer
        case failure
    }

    /// Nil for pages of other tables.
    private(set) var table: Table?
    /// Ranges of keys, both ends included.
    private(set) var ranges: [ClosedRange<Key>] = []

    /// A page of an index or of a table without rowid: leaves, and the inner nodes, whose cells are rows as well.
    private static let leaf: UInt8 = 10
    private static let inner: UInt8 = 2

    private let bytes: [UInt8]
    private let width: Int

    init(_ bytes: [UInt8], keyWidth: Int) {
        self.bytes = bytes
        width = keyWidth
        guard bytes.count >= 512, bytes[0] == Self.leaf || bytes[0] == Self.inner else { return }
        let isLeaf = bytes[0] == Self.leaf
        let headerBytes = isLeaf ? 8 : 12
        let count = Int(bytes[3]) << 8 | Int(bytes[4])
        guard count > 0, headerBytes + 2 * count <= bytes.count else { return }
        func row(_ cell: Int) -> (table: Table, key: Key)? {
            let pointer = headerBytes + 2 * cell
            return self.row(at: (Int(bytes[pointer]) << 8 | Int(bytes[pointer + 1])) + (isLeaf ? 0 : 4))
        }
        guard let first = row(0) else { return }
        table = first.table
        if isLeaf {
            // Rows lie in the order of their keys, so the first and the last are the ends of all.
            guard let last = row(count - 1), first.key <= last.key else { return }
            ranges = [first.key...last.key]
        } else {
            // Leaves lie between these rows.
            ranges = (0..<count).compactMap(row).map { $0.key...$0.key }
        }
    }

    /// The table of a row, by the number and kind of its columns, and the key in the first of them.
    private func row(at start: Int) -> (table: Table, key: Key)? {
        var at = start
        guard varint(&at) != nil else { return nil }
        let record = at
        guard let headerBytes = varint(&at), headerBytes < 128 else { return nil }
        let body = record + headerBytes
        var types: [Int] = []
        while at < body {
            guard let type = varint(&at) else { return nil }
            types.append(type)
        }
        // Even numbers from 12 are blobs.
        guard at == body, let table = Self.table(types), types[0] == 12 + 2 * width, body + width <= bytes.count,
            let key = bytes[body..<body + width].withUnsafeBytes({ Key(bytes: $0) })
        else { return nil }
        return (table, key)
    }

    private static func table(_ types: [Int]) -> Table? {
        // Rows without a seal that an older version wrote are a column shorter. No other table begins with a key and has
        // that many columns, or six or seven with a blob as the second and a number as the third; but for an old row of
        // table held, which costs a search in vain.
        if types.count >= 15 { return .peer }
        let isFailure = (6...7).contains(types.count) && types[1] >= 12 && types[1].isMultiple(of: 2) && types[2] < 12
        return isFailure ? .failure : nil
    }

    /// A number of SQLite's variable length that fits an `Int`.
    private func varint(_ at: inout Int) -> Int? {
        var value: UInt64 = 0
        for index in 0..<9 {
            guard at < bytes.count else { return nil }
            let byte = bytes[at]
            at += 1
            if index == 8 {
                value = value << 8 | UInt64(byte)
            } else {
                value = value << 7 | UInt64(byte & 0x7f)
                guard byte & 0x80 != 0 else { break }
            }
        }
        return Int(exactly: value)
    }
}
