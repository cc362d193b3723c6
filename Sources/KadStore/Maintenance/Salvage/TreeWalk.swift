/// Goes down the trees of a damaged database, as far as they lead, and then through what they did not lead to.
struct TreeWalk {
    let pages: DamagedPages
    /// Pages that have an owner: nodes, and what rows of theirs overflow to.
    private(set) var reached: PageSet
    /// Pages of the list of free ones.
    private(set) var free: PageSet
    /// Places where a node should be and is none.
    private(set) var damaged = 0
    private(set) var isFreeListIntact = true

    /// SQLite's own limit. It bounds how many pages lie ahead.
    static let maximumDepth = 20

    /// Rows of ours end far below: a value of 1 MiB, its key and its times.
    private static let maximumRowBytes = 4 << 20

    init(_ pages: DamagedPages) {
        self.pages = pages
        reached = PageSet(limit: pages.count)
        free = PageSet(limit: pages.count)
    }

    /// Hands over the nodes of a tree that hold rows, in the order of the tree as far as it has one.
    ///
    /// A page that holds no row of the table is not this tree's, whatever leads there: it is left to its owner.
    mutating func walk(
        from root: UInt32, _ table: TableLayout, _ body: (inout TreeWalk, UInt32, TreePage) throws -> Void
    ) rethrows {
        // Each page enters at most once as a node, so this ends; a child that is none costs nothing.
        var ahead = [(page: root, depth: 0)]
        while let (number, depth) = ahead.popLast() {
            guard !reached.contains(number) else {
                damaged += 1
                continue
            }
            guard let page = node(number, of: table) else {
                damaged += 1
                continue
            }
            // SQLite leaves no page below a root without rows: one lies over another.
            if page.cellCount == 0, depth > 0 { damaged += 1 }
            reached.insert(number)
            if !page.kind.isLeaf, depth < Self.maximumDepth {
                if let last = page.rightChild { ahead.append((last, depth + 1)) }
                for index in (0..<page.cellCount).reversed() {
                    if let child = page.cell(index)?.child { ahead.append((child, depth + 1)) }
                }
            }
            if page.kind != .innerTable { try body(&self, number, page) }
        }
    }

    /// A page as a node of a table's tree: as its first byte says or, where that is damaged, as its rows say.
    func node(_ number: UInt32, of table: TableLayout) -> TreePage? {
        if let page = pages.tree(number), page.kind.isIndex == table.usesIndexPages, Self.isLikely(page, table) {
            return page
        }
        let kinds: [TreePage.Kind] = table.usesIndexPages ? [.leafIndex, .innerIndex] : [.leafTable]
        for kind in kinds {
            guard let page = pages.tree(number, as: kind), page.cellCount > 0, table.isTable,
                (0..<page.cellCount).contains(where: { Self.fits(page, $0, table) })
            else { continue }
            return page
        }
        return nil
    }

    /// Whether nothing speaks against a page's being of a table.
    private static func isLikely(_ page: TreePage, _ table: TableLayout) -> Bool {
        guard page.kind != .innerTable, page.cellCount > 0 else { return true }
        return (0..<page.cellCount).contains { fits(page, $0, table) }
    }

    /// Whether a cell's columns are of the kinds of a table's, as far as its first bytes say.
    private static func fits(_ page: TreePage, _ index: Int, _ table: TableLayout) -> Bool {
        guard let cell = page.cell(index), !cell.local.isEmpty,
            let header = RecordFormat.header(page.bytes[cell.local], at: cell.local.lowerBound)
        else { return false }
        return table.fits(header.types)
    }

    // MARK: Rows

    /// The bytes of a row; nil where a part of it is not there, or has another owner.
    mutating func payload(_ page: TreePage, _ cell: TreePage.Cell) -> ArraySlice<UInt8>? {
        guard let first = cell.overflow else { return page.bytes[cell.local] }
        guard cell.payloadBytes <= Self.maximumRowBytes else { return nil }
        let room = pages.pageBytes - 4
        var payload = Array(page.bytes[cell.local])
        var claimed: [UInt32] = []
        var next = first
        while payload.count < cell.payloadBytes {
            // As many pages as the row has bytes for: a chain that leads in a circle ends as well.
            guard !reached.contains(next), let bytes = pages.page(next), bytes.count >= 4 + room else { return nil }
            claimed.append(next)
            payload += bytes[4..<4 + min(room, cell.payloadBytes - payload.count)]
            next = BigEndian.number(bytes, 0)
        }
        // The last one leads nowhere: else one on the way led elsewhere.
        guard next == 0 else { return nil }
        for number in claimed where !reached.insert(number) { return nil }
        return payload[...]
    }

    // MARK: Free pages and orphans

    /// Reads the list of free pages. After the trees: what they led to is not free, and a list that says so is not believed
    /// from there on.
    mutating func readFreeList() {
        isFreeListIntact = pages.header.isDatabase
        var trunk = pages.header.firstFree
        let places = pages.pageBytes / 4 - 2
        while trunk != 0 {
            guard let bytes = pages.page(trunk), !reached.contains(trunk), !free.contains(trunk) else { break }
            let count = Int(BigEndian.number(bytes, 4))
            guard count <= places else { break }
            let leaves = (0..<count).map { BigEndian.number(bytes, 8 + 4 * $0) }
            let isSound = leaves.allSatisfy {
                $0 > 0 && Int($0) <= pages.count && !reached.contains($0) && !free.contains($0) && $0 != trunk
            }
            guard isSound else { break }
            free.insert(trunk)
            for leaf in leaves { free.insert(leaf) }
            trunk = BigEndian.number(bytes, 0)
        }
        if trunk != 0 || free.count != pages.header.freeCount { isFreeListIntact = false }
    }

    /// Hands over the nodes with rows that no tree led to and that are not free.
    ///
    /// What a row overflows to is never taken for a node: such a page begins with the number of the next, whose first byte is
    /// 0 in any file below 64 GiB. So what others may choose, the bytes of a value, is not read as rows.
    mutating func eachOrphan(_ body: (inout TreeWalk, UInt32, TreePage) throws -> Void) rethrows {
        guard pages.count > 0 else { return }
        for number in 1...UInt32(pages.count) where !reached.contains(number) && !free.contains(number) {
            guard let page = pages.tree(number), page.kind != .innerTable, page.cellCount > 0 else { continue }
            try body(&self, number, page)
        }
    }
}

extension TableLayout {
    /// Whether a row with columns of these types may be one of this table's.
    func fits(_ types: [UInt64]) -> Bool {
        guard isTable else {
            return types.count == entry.count && zip(types, entry).allSatisfy { $0 == 0 || Self.fits($0, $1) }
        }
        guard types.count >= fewest, types.count <= columns.count else { return false }
        for (place, type) in types.enumerated() {
            let column = columns[order[place]]
            let isFitting =
                type == 0 ? column.isNullable || order[place] == rowidColumn : Self.fits(type, column.kind)
            guard isFitting else { return false }
        }
        // Those that are not there were added later.
        return order[types.count...].allSatisfy { columns[$0].isNullable || columns[$0].fallback != .null }
    }

    /// Whether a value of a type that is not null may stand in a column (<https://www.sqlite.org/fileformat2.html>, 2.1).
    private static func fits(_ type: UInt64, _ kind: Column.Kind) -> Bool {
        switch type {
        case 1...6, 8, 9: kind == .integer
        case 12...: kind == (type.isMultiple(of: 2) ? .blob : .text)
        default: false
        }
    }
}
