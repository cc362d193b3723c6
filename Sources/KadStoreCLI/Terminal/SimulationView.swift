import KadSimulator

/// What the simulator has shown, for people and as JSON.
struct SimulationView {
    let terminal: Terminal

    // MARK: For people

    func lines(_ experiments: [any Experiment]) -> [String] {
        var table = TextTable(
            [.init(title: "NAME"), .init(title: "GOALS", alignment: .right), .init(title: "WHAT", minimum: 20)],
            terminal: terminal)
        let rows = experiments.map { experiment -> [TextTable.Cell] in
            [.init(experiment.name, .bold), .init("\(experiment.goals.count)"), .init(experiment.title)]
        }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    func lines(_ report: Report) -> [String] {
        [terminal.paint(report.experiment, .bold), report.title, ""] + figures(report) + goals(report)
            + [terminal.paint("trace: " + traces(report), .dim)]
    }

    private func traces(_ report: Report) -> String {
        zip(report.seeds, report.digests).map { "seed \($0) \($1)" }.joined(separator: ", ")
    }

    private func figures(_ report: Report) -> [String] {
        var metrics: [Metric] = []
        for metric in report.lines.flatMap(\.summaries).map(\.metric) where !metrics.contains(metric) {
            metrics.append(metric)
        }
        let isSpread = report.seeds.count > 1
        // The means stand before what is left out where there is no room, the spreads.
        var columns = [TextTable.Column(title: "", minimum: 24, cut: .middle)]
        for metric in metrics {
            columns.append(.init(title: metric.title.uppercased(), alignment: .right))
            if isSpread { columns.append(.init(title: terminal.symbol("±", "+-"), isOptional: true)) }
        }
        var table = TextTable(columns, terminal: terminal)
        var rows: [[TextTable.Cell]] = []
        for (line, name) in zip(report.lines, RowNames.shown(report.lines.map(\.name))) {
            if let heading = name.heading { rows.append([.init(heading, .bold)]) }
            var cells = [TextTable.Cell(name.text)]
            for metric in metrics {
                let summary = line.summaries.first { $0.metric == metric }?.summary
                cells.append(.init(summary.map { text($0.mean, metric.unit) } ?? ""))
                guard isSpread else { continue }
                cells.append(.init(summary.map { text(($0.maximum - $0.minimum) / 2, metric.unit) } ?? "", .dim))
            }
            rows.append(cells)
        }
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    private func goals(_ report: Report) -> [String] {
        guard !report.goals.isEmpty else { return [] }
        var table = TextTable(
            [
                .init(title: "GOAL"), .init(title: "", minimum: 20), .init(title: "WANTED", alignment: .right),
                .init(title: "MEASURED", alignment: .right), .init(title: "OVER THE SEEDS", isOptional: true),
            ], terminal: terminal)
        let rows = report.goals.map { goal -> [TextTable.Cell] in
            let summary = report[goal.row, goal.metric]
            let unit = goal.metric.unit
            let range = summary.map { "\(text($0.minimum, unit)) to \(text($0.maximum, unit))" }
            return [
                verdict(goal.isMet(by: report)), .init(goal.title), .init(text(goal.bound, unit)),
                .init(summary.map { text($0.mean, unit) } ?? "-"), .init(range ?? "", .dim),
            ]
        }
        table.layOut(rows)
        return ["", table.header] + rows.map(table.line)
    }

    private func verdict(_ isMet: Bool?) -> TextTable.Cell {
        switch isMet {
        case true?: .init("met", .green)
        case false?: .init("missed", .red)
        case nil: .init("not measured", .yellow)
        }
    }

    private func text(_ bound: Goal.Bound, _ unit: Metric.Unit) -> String {
        switch bound {
        case .atMost(let limit): terminal.symbol("≤ ", "<= ") + text(limit, unit)
        case .atLeast(let limit): terminal.symbol("≥ ", ">= ") + text(limit, unit)
        }
    }

    private func text(_ value: Double, _ unit: Metric.Unit) -> String {
        switch unit {
        case .count:
            value.magnitude >= 1_000
                ? terminal.count(Int64(value.rounded())) : FixedPoint.text(value, digits: digits(value))
        case .milliseconds: duration(value)
        case .bytes: terminal.bytes(Int64(value.rounded()))
        case .share: "\(FixedPoint.text(value * 100, digits: 1)) %"
        }
    }

    /// Three figures, and none that only say zero.
    private func digits(_ value: Double) -> Int {
        if value == value.rounded() { return 0 }
        return value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2
    }

    private func duration(_ milliseconds: Double) -> String {
        switch milliseconds {
        case ..<1_000: "\(FixedPoint.text(milliseconds, digits: 0)) ms"
        case ..<120_000: "\(FixedPoint.text(milliseconds / 1_000, digits: 2)) s"
        case ..<7_200_000: "\(FixedPoint.text(milliseconds / 60_000, digits: 1)) min"
        default: "\(FixedPoint.text(milliseconds / 3_600_000, digits: 1)) h"
        }
    }

    // MARK: For programs

    static func json(_ experiments: [any Experiment]) -> JSON {
        .object([
            "version": JSON.formatVersion,
            "experiments": .array(
                experiments.map { experiment in
                    .object([
                        "name": .string(experiment.name), "title": .string(experiment.title),
                        "goals": .int(experiment.goals.count),
                    ])
                }),
        ])
    }

    static func json(_ reports: [Report], _ configuration: ExperimentConfiguration) -> JSON {
        .object([
            "version": JSON.formatVersion, "nodes": .int(configuration.nodes), "lookups": .int(configuration.lookups),
            "seeds": .array((reports.first?.seeds ?? []).map { .int(Int64(clamping: $0)) }),
            "experiments": .array(reports.map(json)),
        ])
    }

    private static func json(_ report: Report) -> JSON {
        .object([
            "name": .string(report.experiment), "title": .string(report.title),
            "traces": .strings(report.digests.map(\.description)),
            "rows": .array(
                report.lines.map { line in
                    .object([
                        "name": .string(line.name),
                        "figures": .members(line.summaries.map { ($0.metric.name, json($0.summary, $0.metric.unit)) }),
                    ])
                }),
            "goals": .array(report.goals.map { json($0, report) }),
        ])
    }

    private static func json(_ summary: Summary, _ unit: Metric.Unit) -> JSON {
        .object([
            "unit": .string(unit.rawValue), "mean": .double(summary.mean), "median": .double(summary.median),
            "least": .double(summary.minimum), "greatest": .double(summary.maximum), "seeds": .int(summary.count),
        ])
    }

    private static func json(_ goal: Goal, _ report: Report) -> JSON {
        let (bound, limit) =
            switch goal.bound {
            case .atMost(let limit): ("atMost", limit)
            case .atLeast(let limit): ("atLeast", limit)
            }
        return .object([
            "title": .string(goal.title), "row": .string(goal.row), "figure": .string(goal.metric.name),
            "bound": .string(bound), "limit": .double(limit),
            "value": report[goal.row, goal.metric].map { .double($0.mean) } ?? .null,
            "isMet": goal.isMet(by: report).map(JSON.bool) ?? .null,
        ])
    }
}
