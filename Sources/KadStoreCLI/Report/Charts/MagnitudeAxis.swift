import KadStore

/// An axis of magnitudes over the bins of a histogram: decades, or their halves and fifths where there is but one.
struct MagnitudeAxis {
    let bins: [Survey.Bin]
    let text: (Int64) -> String

    /// Where a value lies, in columns; nil for one that lies outside.
    func position(_ value: Int64) -> Double? {
        guard let index = bins.firstIndex(where: { $0.lower <= value && value < $0.upper }) else { return nil }
        let bin = bins[index]
        return Double(index) + Double(value - bin.lower) / Double(bin.upper - bin.lower)
    }

    var ticks: [ColumnChart.Tick] {
        var decade: Int64 = 1
        var decades: [Int64] = []
        while decade <= 1_000_000_000_000 {
            decades.append(decade)
            decade *= 10
        }
        let whole = ticks(at: decades)
        if whole.count > 1 { return whole }
        let parts = ticks(at: decades.flatMap { [$0, $0 * 2, $0 * 5] })
        if parts.count > 1 { return parts }
        return bins.enumerated().prefix(1).map { ColumnChart.Tick(position: Double($0), text: text($1.lower)) }
    }

    private func ticks(at values: [Int64]) -> [ColumnChart.Tick] {
        values.compactMap { value in position(value).map { ColumnChart.Tick(position: $0, text: text(value)) } }
    }

    var columns: [ColumnChart.Column] {
        bins.map { ColumnChart.Column(name: "\(text($0.lower)) to \(text($0.upper))", value: $0.count) }
    }

    var rows: [[HTML]] {
        bins.map { ["\(text($0.lower))", "\(text($0.upper))", "\(Terminal.page.count($0.count))"] }
    }
}
