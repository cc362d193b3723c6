/// Names as Prometheus takes them: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
enum MetricName {
    static func plain(_ label: String) -> String {
        var name = ""
        for scalar in label.unicodeScalars.prefix(maximumLength) {
            name.unicodeScalars.append(isAllowed(scalar) ? scalar : "_")
        }
        guard let first = name.unicodeScalars.first, !("0"..."9").contains(first) else { return "_" + name }
        return name
    }

    static func counter(_ label: String) -> String { plain(label).ending(in: "_total") }

    static func seconds(_ label: String) -> String { plain(label).ending(in: "_seconds") }

    /// Characters of a name, before what its type adds.
    private static let maximumLength = 128

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", ":": true
        default: false
        }
    }
}

extension String {
    fileprivate func ending(in suffix: String) -> String { hasSuffix(suffix) ? self : self + suffix }
}

/// A set of labels, in the order of their names.
struct Labels: Hashable, Comparable, CustomStringConvertible {
    /// Characters of a value that are kept.
    static let maximumValueLength = 128
    /// Labels of one set that are kept.
    static let maximumCount = 16

    private var pairs: [Pair]

    private struct Pair: Hashable {
        let name: String
        let value: String
    }

    /// - Parameter dimensions: of two with one name the first counts.
    init(_ dimensions: [(String, String)]) {
        var pairs: [Pair] = []
        for (name, value) in dimensions.prefix(Self.maximumCount) {
            // No colon in a label's name; `le` is the histogram's own.
            let name = MetricName.plain(name.replacing(":", with: "_"))
            let pair = Pair(
                name: name == "le" ? "le_" : name, value: String(value.unicodeScalars.prefix(Self.maximumValueLength)))
            if !pairs.contains(where: { $0.name == pair.name }) { pairs.append(pair) }
        }
        self.pairs = pairs.sorted { $0.name < $1.name }
    }

    /// With one more at the end.
    func with(_ name: String, _ value: String) -> Labels {
        var labels = self
        labels.pairs.append(Pair(name: name, value: value))
        return labels
    }

    var description: String {
        guard !pairs.isEmpty else { return "" }
        return "{" + pairs.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    static func < (left: Labels, right: Labels) -> Bool {
        left.pairs.lexicographicallyPrecedes(right.pairs) { ($0.name, $0.value) < ($1.name, $1.value) }
    }
}

/// Numbers as Go reads them.
enum MetricNumber {
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers that a double holds exactly.
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { return "\(whole)" }
        return "\(value)"
    }
}
