import Kademlia

/// The keys of table peer that a database page holds, told from its bytes alone
/// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>).
///
/// They only say where to look: what is there is then read by SQL. Whatever the bytes are, nothing worse comes of them
/// than a search in vain.
struct PageKeys {
    /// Ranges of keys, both ends included.
    private(set) var ranges: [ClosedRange<Key>] = []

    /// A page of an index or of a table without rowid: leaves, and the inner nodes, whose cells are rows as well.
    private static let leaf: UInt8 = 10
    private static let inner: UInt8 = 2
    /// No other table begins with a key and has more columns.
    private static let fewestColumns = 11

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
        func key(_ cell: Int) -> Key? {
            let pointer = headerBytes + 2 * cell
            return self.key(at: (Int(bytes[pointer]) << 8 | Int(bytes[pointer + 1])) + (isLeaf ? 0 : 4))
        }
        if isLeaf {
            // Rows lie in the order of their keys, so the first and the last are the ends of all.
            guard let first = key(0), let last = key(count - 1), first <= last else { return }
            ranges = [first...last]
        } else {
            // Leaves lie between these rows.
            ranges = (0..<count).compactMap(key).map { $0...$0 }
        }
    }

    /// The key in the first column of a row of table peer.
    private func key(at start: Int) -> Key? {
        var at = start
        guard varint(&at) != nil else { return nil }
        let record = at
        guard let headerBytes = varint(&at), headerBytes < 128 else { return nil }
        let body = record + headerBytes
        guard let first = varint(&at), first == 12 + 2 * width else { return nil }
        var columns = 1
        while at < body {
            guard varint(&at) != nil else { return nil }
            columns += 1
        }
        guard at == body, columns >= Self.fewestColumns, body + width <= bytes.count else { return nil }
        return bytes[body..<body + width].withUnsafeBytes { Key(bytes: $0) }
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
