/// The pages of a damaged database: the log's where it has one, else the file's.
struct DamagedPages {
    let file: DamagedFile
    let log: DamagedLog
    let pageBytes: Int
    /// How many pages there can be.
    let count: Int
    /// What the first 100 bytes say, as far as they can be believed.
    let header: Header

    struct Header {
        /// Whether the file begins as every database does.
        var isDatabase = false
        var applicationID: Int64 = 0
        var schema = 0
        var firstFree: UInt32 = 0
        var freeCount = 0
        var isAutoVacuum = false
    }

    init(_ file: DamagedFile, _ log: DamagedLog) {
        self.file = file
        self.log = log
        let first = log.page(1) ?? file.bytes(at: 0, count: 512) ?? []
        var header = Header()
        header.isDatabase = first.starts(with: Array("SQLite format 3\0".utf8))
        header.applicationID = Int64(Int32(bitPattern: BigEndian.number(first, 68)))
        header.schema = Int(BigEndian.number(first, 60))
        header.firstFree = BigEndian.number(first, 32)
        header.freeCount = Int(BigEndian.number(first, 36))
        header.isAutoVacuum = BigEndian.number(first, 52) != 0
        self.header = header
        pageBytes = log.pageBytes > 0 ? log.pageBytes : Self.guess(file, told: Self.pageBytes(first))
        let pages = Int((file.size + Int64(pageBytes) - 1) / Int64(pageBytes))
        // A page lies in the file or in the log, whatever numbers are written there.
        count = min(max(pages, Int(log.places.keys.max() ?? 0)), pages + log.places.count, Int(UInt32.max - 1))
    }

    func page(_ number: UInt32) -> [UInt8]? {
        guard number > 0, Int(number) <= count else { return nil }
        return log.page(number) ?? file.bytes(at: Int64(number - 1) * Int64(pageBytes), count: pageBytes)
    }

    /// A page as a node of a tree.
    func tree(_ number: UInt32, as kind: TreePage.Kind? = nil) -> TreePage? {
        page(number).flatMap { TreePage($0, header: number == 1 ? 100 : 0, as: kind) }
    }

    // MARK: The size of a page

    /// What a header says; nil where it is no size of pages.
    static func pageBytes(_ header: [UInt8]) -> Int? {
        guard header.count >= 18 else { return nil }
        let told = Int(header[16]) << 8 | Int(header[17])
        let size = told == 1 ? 65_536 : told
        return TreePage.byteCounts.contains(size) && size.nonzeroBitCount == 1 ? size : nil
    }

    /// What stores are made with.
    static let usualBytes = 4_096

    /// The size at which most of the file's beginning reads as pages: what the header says, or what is usual, unless another
    /// is better.
    private static func guess(_ file: DamagedFile, told: Int?) -> Int {
        var best = told ?? usualBytes
        var most = score(file, best)
        for size in [usualBytes] + (9...16).map({ 1 << $0 }) where size != best {
            let score = score(file, size)
            if score > most { (best, most) = (size, score) }
        }
        return best
    }

    /// How much of the file's beginning is looked at.
    private static let sampledBytes = 1 << 20

    /// Nodes whose cells can all be read, less those of which some cannot, in bytes: a wrong size finds fewer of the first or
    /// more of the others.
    private static func score(_ file: DamagedFile, _ size: Int) -> Int {
        let pages = min(sampledBytes, Int(clamping: file.size)) / size
        var score = 0
        for number in 1..<max(2, pages) {
            guard let bytes = file.bytes(at: Int64(number) * Int64(size), count: size), let page = TreePage(bytes),
                page.cellCount > 0
            else { continue }
            // Cells fill a page from its end.
            let ends = (0..<page.cellCount).compactMap { page.cell($0)?.local.upperBound }
            let isWhole = ends.count == page.cellCount && (ends.max() ?? 0) > size - 128
            score += isWhole || !page.kind.isLeaf && ends.count == page.cellCount ? 1 : -1
        }
        return score
    }
}
