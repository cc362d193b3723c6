/// The names of rows with what neighbours have in common said once, as a heading over them.
///
/// A name is parts with commas between them (`20 % dead, alpha 10, origin`). Rows after one another that begin with the
/// same parts as the first two of them form a group.
enum RowNames {
    struct Shown: Hashable {
        /// What stands over this row, the first of its group.
        var heading: String?
        /// What is left of the name, indented below a heading.
        var text: String
    }

    private static let separator = ", "

    static func shown(_ names: [String]) -> [Shown] {
        let parts = names.map(Self.parts(of:))
        var shown: [Shown] = []
        while shown.count < names.count {
            let first = shown.count
            let common = first + 1 < parts.count ? commonParts(parts[first], parts[first + 1]) : []
            guard !common.isEmpty else {
                shown.append(Shown(text: names[first]))
                continue
            }
            let group = parts[first...].prefix { $0.count > common.count && $0.starts(with: common) }
            for (number, parts) in group.enumerated() {
                let rest = parts.dropFirst(common.count).joined(separator: separator)
                shown.append(Shown(heading: number == 0 ? common.joined(separator: separator) : nil, text: "  " + rest))
            }
        }
        return shown
    }

    private static func parts(of name: String) -> [String] {
        var parts: [String] = [""]
        for character in name {
            if character == " ", parts[parts.count - 1].last == "," {
                parts[parts.count - 1].removeLast()
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts
    }

    /// What two names begin with; something is left of both.
    private static func commonParts(_ left: [String], _ right: [String]) -> [String] {
        var common: [String] = []
        for (left, right) in zip(left.dropLast(), right.dropLast()) {
            guard left == right else { break }
            common.append(left)
        }
        return common
    }
}
