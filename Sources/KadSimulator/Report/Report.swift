/// What was measured of one thing in one run.
public struct Measurement: Hashable, Sendable {
    public var metric: Metric
    public var value: Double

    public init(_ metric: Metric, _ value: Double) {
        self.metric = metric
        self.value = value
    }

    public init(_ metric: Metric, _ value: some BinaryInteger) { self.init(metric, Double(value)) }
}

/// What is measured. Names are stable, they stand in JSON; units are part of them.
public struct Metric: Hashable, Sendable {
    /// The name in JSON.
    public let name: String
    /// The heading in a table.
    public let title: String
    public let unit: Unit

    public enum Unit: String, Hashable, Sendable {
        /// A number of things, or a mean of such numbers.
        case count
        case milliseconds
        case bytes
        /// A part of one.
        case share
    }

    public init(_ name: String, _ title: String, _ unit: Unit) {
        self.name = name
        self.title = title
        self.unit = unit
    }
}

/// One line of an experiment's outcome: a variant, and what was measured of it.
public struct Row: Hashable, Sendable {
    public var name: String
    public var measurements: [Measurement]

    public init(_ name: String, _ measurements: [Measurement]) {
        self.name = name
        self.measurements = measurements
    }

    public subscript(_ metric: Metric) -> Double? { measurements.first { $0.metric == metric }?.value }
}

/// What one run with one seed has shown.
public struct Outcome: Hashable, Sendable {
    public var rows: [Row]
    /// The fingerprint of all that happened.
    public var digest: TraceDigest

    public init(rows: [Row] = [], digest: TraceDigest = TraceDigest()) {
        self.rows = rows
        self.digest = digest
    }
}

/// A question that is put to the simulator.
public protocol Experiment: Sendable {
    /// The name on the command line and in JSON.
    var name: String { get }
    /// What is asked, for people, with the assumptions.
    var title: String { get }
    /// What the answers should be.
    var goals: [Goal] { get }

    /// One run. Everything follows from the seed.
    func run(seed: UInt64) async throws -> Outcome
}

/// What should come out.
public struct Goal: Hashable, Sendable {
    public enum Bound: Hashable, Sendable {
        case atMost(Double)
        case atLeast(Double)
    }

    public var title: String
    public var row: String
    public var metric: Metric
    public var bound: Bound

    public init(_ title: String, row: String, _ metric: Metric, _ bound: Bound) {
        self.title = title
        self.row = row
        self.metric = metric
        self.bound = bound
    }

    /// Whether the summary's centre keeps the bound; nil when it was not measured.
    public func isMet(by report: Report) -> Bool? {
        guard let centre = report[row, metric]?.mean else { return nil }
        return switch bound {
        case .atMost(let limit): centre <= limit
        case .atLeast(let limit): centre >= limit
        }
    }
}
