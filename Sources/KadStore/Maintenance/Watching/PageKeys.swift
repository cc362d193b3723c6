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

    private let width: Int

    init(_ bytes: [UInt8], keyWidth: Int) {
        width = keyWidth
        guard let page = TreePage(bytes), page.kind.isIndex, page.cellCount > 0, let first = row(page, 0) else {
            return
        }
        table = first.table
        if page.kind.isLeaf {
            // Rows lie in the order of their keys, so the first and the last are the ends of all.
            guard let last = row(page, page.cellCount - 1), first.key <= last.key else { return }
            ranges = [first.key...last.key]
        } else {
            // Leaves lie between these rows.
            ranges = (0..<page.cellCount).compactMap { row(page, $0) }.map { $0.key...$0.key }
        }
    }

    /// The table of a row, by the number and kind of its columns, and the key in the first of them.
    private func row(_ page: TreePage, _ index: Int) -> (table: Table, key: Key)? {
        guard let cell = page.cell(index) else { return nil }
        let local = page.bytes[cell.local]
        // Even numbers from 12 are blobs.
        guard let header = RecordFormat.header(local, at: local.startIndex), let table = Self.table(header.types),
            header.types[0] == UInt64(12 + 2 * width), header.body + width <= local.endIndex,
            let key = local[header.body..<header.body + width].withUnsafeBytes({ Key(bytes: $0) })
        else { return nil }
        return (table, key)
    }

    private static func table(_ types: [UInt64]) -> Table? {
        // Rows without a seal that an older version wrote are a column shorter. No other table begins with a key and has
        // that many columns, or six or seven with a blob as the second and a number as the third; but for an old row of
        // table held, which costs a search in vain.
        if types.count >= 15 { return .peer }
        let isFailure = (6...7).contains(types.count) && types[1] >= 12 && types[1].isMultiple(of: 2) && types[2] < 12
        return isFailure ? .failure : nil
    }
}
