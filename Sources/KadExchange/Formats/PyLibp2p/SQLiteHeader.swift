/// What the first bytes of an SQLite database say of its size (<https://www.sqlite.org/fileformat2.html>, 1.3).
enum SQLiteHeader {
    static let byteCount = 100

    /// The length of the file; nil for what is no database, or one last written by an SQLite before 3.7.0 (2010), which left
    /// the number of its pages out of date.
    static func fileBytes(_ header: some Collection<UInt8>) -> Int64? {
        let bytes = Array(header.prefix(byteCount))
        guard bytes.count == byteCount, bytes.starts(with: "SQLite format 3\0".utf8) else { return nil }
        func number(_ place: Int, _ count: Int) -> Int64 {
            bytes[place..<place + count].reduce(0) { $0 << 8 | Int64($1) }
        }
        // 1 stands for 65,536, which two bytes do not hold.
        let pageBytes = number(16, 2) == 1 ? 65_536 : number(16, 2)
        let pages = number(28, 4)
        guard number(24, 4) == number(92, 4), pageBytes >= 512, pages > 0 else { return nil }
        return pages * pageBytes
    }
}
