/// Numbers of pages, a bit each.
struct PageSet {
    /// Pages are numbered from 1.
    let limit: Int
    private var words: [UInt64]
    private(set) var count = 0

    init(limit: Int) {
        self.limit = max(0, limit)
        words = Array(repeating: 0, count: self.limit / 64 + 1)
    }

    func contains(_ page: UInt32) -> Bool {
        let page = Int(page)
        return page <= limit && words[page / 64] & (1 << UInt64(page % 64)) != 0
    }

    /// - Returns: whether it was not there before, and may be.
    @discardableResult
    mutating func insert(_ page: UInt32) -> Bool {
        let number = Int(page)
        guard number > 0, number <= limit, !contains(page) else { return false }
        words[number / 64] |= 1 << UInt64(number % 64)
        count += 1
        return true
    }
}
