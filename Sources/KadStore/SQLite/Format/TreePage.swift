/// A page of a B-tree, read from its bytes (<https://www.sqlite.org/fileformat2.html#b_tree_pages>). Total: whatever the bytes
/// are, nothing worse comes of them than cells that cannot be read. Bytes that other programs' SQLite can be told to keep for
/// itself at the end of each page there are none of in a store.
struct TreePage {
    enum Kind: UInt8 {
        /// Of an index or a table without rowid. Inner nodes of these hold rows as well.
        case innerIndex = 2
        case innerTable = 5
        case leafIndex = 10
        case leafTable = 13

        var isLeaf: Bool { self == .leafIndex || self == .leafTable }
        var isIndex: Bool { self == .innerIndex || self == .leafIndex }
    }

    /// What one cell says.
    struct Cell {
        /// The page left of it, in an inner node.
        var child: UInt32?
        var rowid: Int64?
        /// The bytes of the row, where there is one.
        var payloadBytes = 0
        /// Those of them that lie in this page.
        var local = 0..<0
        /// Where the others begin.
        var overflow: UInt32?
    }

    /// The smallest and the largest page that SQLite knows.
    static let byteCounts = 512...65_536

    let kind: Kind
    let bytes: [UInt8]
    /// The cells that it says to have.
    let cellCount: Int
    /// The last page below an inner node.
    let rightChild: UInt32?

    private let pointers: Int

    /// - Parameters:
    ///   - header: where the page's header begins: 100 in the first page of a file, else 0.
    ///   - kind: what it must be whatever its first byte says: where a tree leads there and that byte is none.
    init?(_ bytes: [UInt8], header: Int = 0, as kind: Kind? = nil) {
        guard Self.byteCounts.contains(bytes.count), header >= 0, header + 12 < bytes.count,
            let kind = kind ?? Kind(rawValue: bytes[header])
        else { return nil }
        self.bytes = bytes
        self.kind = kind
        let count = Int(bytes[header + 3]) << 8 | Int(bytes[header + 4])
        pointers = header + (kind.isLeaf ? 8 : 12)
        // A cell takes two bytes for its pointer and two at least for itself.
        guard pointers + 2 * count <= bytes.count else { return nil }
        cellCount = count
        rightChild = kind.isLeaf ? nil : BigEndian.number(bytes, header + 8)
    }

    func cell(_ index: Int) -> Cell? {
        guard index >= 0, index < cellCount else { return nil }
        let pointer = pointers + 2 * index
        var at = Int(bytes[pointer]) << 8 | Int(bytes[pointer + 1])
        // Cells lie behind the pointers.
        guard at >= pointers + 2 * cellCount, at < bytes.count else { return nil }
        let page = bytes[...]
        var cell = Cell()
        if !kind.isLeaf {
            guard at + 4 <= bytes.count else { return nil }
            cell.child = BigEndian.number(bytes, at)
            at += 4
        }
        if kind != .innerTable {
            guard let count = RecordFormat.varint(page, at: &at), let count = Int(exactly: count) else { return nil }
            cell.payloadBytes = count
        }
        if !kind.isIndex {
            guard let rowid = RecordFormat.varint(page, at: &at) else { return nil }
            cell.rowid = Int64(bitPattern: rowid)
        }
        guard kind != .innerTable else { return cell }
        let local = localBytes(of: cell.payloadBytes)
        guard local <= bytes.count - at else { return nil }
        cell.local = at..<at + local
        if local < cell.payloadBytes {
            guard cell.local.upperBound + 4 <= bytes.count else { return nil }
            cell.overflow = BigEndian.number(bytes, cell.local.upperBound)
        }
        return cell
    }

    /// How many bytes of a row stay in the page.
    private func localBytes(of payload: Int) -> Int {
        let most = kind.isIndex ? (bytes.count - 12) * 64 / 255 - 23 : bytes.count - 35
        guard payload > most else { return payload }
        let least = (bytes.count - 12) * 32 / 255 - 23
        let fitting = least + (payload - least) % (bytes.count - 4)
        return fitting <= most ? fitting : least
    }
}

/// Numbers as database files and logs have them.
enum BigEndian {
    /// Four bytes; 0 where there are not as many.
    static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        guard offset >= 0, offset <= bytes.count - 4 else { return 0 }
        return bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    static func bytes(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    /// Eight bytes; 0 where there are not as many.
    static func number64(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        guard offset >= 0, offset <= bytes.count - 8 else { return 0 }
        return bytes[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
