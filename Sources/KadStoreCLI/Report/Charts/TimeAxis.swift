import KadStore
import Kademlia

/// One axis of time for several histograms: so many columns that each can be seen, the same for all.
struct TimeAxis {
    let width: Int64
    /// The numbers of the columns' bins.
    let bins: ClosedRange<Int64>

    /// Columns, unless even the widest bins are more.
    private static let wanted: Int64 = 60

    /// - Returns: nil when nothing has a date.
    init?(_ histograms: [TimeHistogram]) {
        let ranges = histograms.compactMap(\.range)
        guard let first = ranges.map(\.lowerBound).min(), let last = ranges.map(\.upperBound).max() else { return nil }
        let finest = histograms.map(\.width).max() ?? TimeHistogram.widths[0]
        let wide = TimeHistogram.widths.filter { $0 >= finest }
        let width = wide.first { last.millisecondsSince(first) / $0 <= Self.wanted } ?? wide[wide.count - 1]
        self.width = width
        bins = first.milliseconds / width...max(first.milliseconds, last.milliseconds - 1) / width
    }

    var count: Int { bins.count }

    func counts(_ histogram: TimeHistogram) -> [Int] {
        let wide = histogram.widened(to: width)
        return bins.map { wide.counts[$0] ?? 0 }
    }

    /// When a column begins.
    func start(_ column: Int) -> Instant { Instant(milliseconds: (bins.lowerBound + Int64(column)) * width) }

    func name(_ column: Int) -> String { Calendar.text(start(column), width: width) }

    /// Both ends and two between.
    var ticks: [ColumnChart.Tick] {
        guard count > 3 else { return (0..<count).map { ColumnChart.Tick(position: Double($0), text: name($0)) } }
        return [0, count / 3, 2 * count / 3, count].map { ColumnChart.Tick(position: Double($0), text: name($0)) }
    }

    /// How wide a column is, in words.
    var unit: String {
        switch width {
        case 60_000: "a minute"
        case 3_600_000: "an hour"
        case 86_400_000: "a day"
        case 604_800_000: "a week"
        default: Span.text(milliseconds: width)
        }
    }
}

/// Dates as short as an axis needs them.
enum Calendar {
    /// `2025-01-31 12:30`
    static func minute(_ instant: Instant) -> String {
        let text = UTC.text(instant)
        guard let end = text.lastIndex(of: ":") else { return text }
        return text[..<end].split(separator: "T").joined(separator: " ")
    }

    static func day(_ instant: Instant) -> String { String(UTC.text(instant).prefix { $0 != "T" }) }

    /// A day; with its time where columns are narrower.
    static func text(_ instant: Instant, width: Int64) -> String {
        width < 86_400_000 ? String(minute(instant).split(separator: "-", maxSplits: 1).last ?? "") : day(instant)
    }
}
