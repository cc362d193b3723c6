import Kademlia

/// When things happened, in bounded memory: counts in bins of time that get wider when there are too many.
///
/// Bins are aligned to 1970-01-01T00:00Z, and each width divides the next, so that counts stay exact when they do.
public struct TimeHistogram: Hashable, Sendable {
    /// The widths that bins take, in milliseconds: from a minute to four weeks.
    public static let widths: [Int64] = [1, 5, 15, 60, 180, 360, 1_440, 10_080, 40_320].map { $0 * 60_000 }
    /// Bins that are not empty, at most: of the widest, 39 years.
    static let limit = 512
    /// What is dated before kadstore can have been there, or after tomorrow, is no date: 2001-01-01.
    static let earliest = Instant(milliseconds: 978_307_200_000)
    static let toleranceMilliseconds: Int64 = 86_400_000

    /// The width of a bin in milliseconds.
    public private(set) var width: Int64 = widths[0]
    /// Counts by bin: bin `i` begins `i * width` milliseconds after 1970.
    public private(set) var counts: [Int64: Int] = [:]
    /// What was dated beyond all belief, and is in no bin.
    public private(set) var implausible = 0

    private let latest: Instant

    /// - Parameter now: later than a day after this is implausible.
    init(now: Instant) { latest = now.advanced(byMilliseconds: Self.toleranceMilliseconds) }

    mutating func add(_ instant: Instant, count: Int = 1) {
        guard instant >= Self.earliest, instant <= latest else {
            implausible += count
            return
        }
        counts[instant.milliseconds / width, default: 0] += count
        while counts.count > Self.limit, let wider = Self.widths.first(where: { $0 > width }) { widen(to: wider) }
    }

    private mutating func widen(to wider: Int64) {
        counts = Dictionary(counts.map { ($0.key / (wider / width), $0.value) }, uniquingKeysWith: +)
        width = wider
    }

    /// The bins, empty for none.
    public var range: ClosedRange<Instant>? {
        guard let first = counts.keys.min(), let last = counts.keys.max() else { return nil }
        return Instant(milliseconds: first * width)...Instant(milliseconds: (last + 1) * width)
    }

    /// The same counts in wider bins: for several histograms on one axis.
    public func widened(to width: Int64) -> TimeHistogram {
        var wide = self
        if Self.widths.contains(width), width > self.width { wide.widen(to: width) }
        return wide
    }

    /// The total of all bins.
    public var total: Int { counts.values.reduce(0, +) }
}
