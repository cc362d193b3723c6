/// The pages of a damaged database: the log's where it has one, else the file's.
struct DamagedPages {
    let file: DamagedFile
    let log: DamagedLog
    let pageBytes: Int
    /// Bytes at the end of each page that are not SQLite's.
    let reserved: Int
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
        var reserved = first.count > 20 ? Int(first[20]) : 0
        if log.pageBytes > 0 {
            pageBytes = log.pageBytes
        } else if let told = Self.pageBytes(first), Self.isPlausible(file, told, first: header.isDatabase) {
            pageBytes = told
        } else {
            pageBytes = Self.guess(file)
        }
        if reserved > pageBytes - 480 { reserved = 0 }
        self.reserved = reserved
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
        page(number).flatMap { TreePage($0, header: number == 1 ? 100 : 0, reserved: reserved, as: kind) }
    }

    // MARK: The size of a page

    private static func pageBytes(_ header: [UInt8]) -> Int? {
        guard header.count >= 18 else { return nil }
        let told = Int(header[16]) << 8 | Int(header[17])
        let size = told == 1 ? 65_536 : told
        return TreePage.byteCounts.contains(size) && size.nonzeroBitCount == 1 ? size : nil
    }

    /// Whether pages of a size begin like pages: every size that is too small finds row data at most of its places.
    private static func isPlausible(_ file: DamagedFile, _ size: Int, first isDatabase: Bool) -> Bool {
        size == usualBytes || score(file, size) > 0 || isDatabase && file.size <= Int64(size)
    }

    private static func guess(_ file: DamagedFile) -> Int {
        if score(file, usualBytes) > 0 { return usualBytes }
        let others = (9...16).map { 1 << $0 }.map { (size: $0, score: score(file, $0)) }
        guard let best = others.max(by: { $0.score < $1.score }), best.score > 0 else { return usualBytes }
        return best.size
    }

    /// What stores are made with.
    static let usualBytes = 4_096

    /// Of the first pages, those that are nodes with cells that can all be read, less those that are not.
    private static func score(_ file: DamagedFile, _ size: Int) -> Int {
        let pages = min(64, Int(file.size / Int64(size)))
        var score = 0
        for number in 1..<max(2, pages) {
            guard let bytes = file.bytes(at: Int64(number) * Int64(size), count: size) else { continue }
            guard let page = TreePage(bytes), page.cellCount > 0 else { continue }
            let isWhole = (0..<page.cellCount).allSatisfy { page.cell($0) != nil }
            score += isWhole ? 1 : -1
        }
        return score
    }
}
