/// The long text of a command's help, taken apart.
///
/// The help is written for a terminal: paragraphs; lines in capitals that end in a colon and begin a section, as `EXAMPLES:`;
/// under them lines that are indented by two blanks and stay lines. A manual page needs to know which is which.
struct Discussion {
    enum Block: Equatable {
        /// Text to fill.
        case paragraph(String)
        /// Lines to keep.
        case literal([String])
        /// Terms and what they mean.
        case table([Row])
    }

    struct Row: Equatable {
        var term: String
        var meaning: String
    }

    struct Section {
        /// Empty for what stands before the first title.
        var title: String
        var blocks: [Block] = []
    }

    private(set) var sections: [Section] = [Section(title: "")]

    init(_ text: String) {
        var filled: [Substring] = []
        var kept: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let title = Self.title(of: line)
            let isKept = line.hasPrefix("  ")
            let isChange = isKept ? !filled.isEmpty : !kept.isEmpty
            if title != nil || line.isEmpty || isChange { add(&filled, &kept) }
            if let title {
                sections.append(Section(title: title.name))
                if !title.rest.isEmpty { filled.append(title.rest) }
            } else if isKept {
                kept.append(line)
            } else if !line.isEmpty {
                filled.append(line)
            }
        }
        add(&filled, &kept)
    }

    /// `EXAMPLES:` alone on its line, or `JSON: {version, ...`.
    private static func title(of line: Substring) -> (name: String, rest: Substring)? {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        let name = line[..<colon]
        let isTitle = name.count > 2 && name.allSatisfy { $0.isUppercase || $0 == " " } && name.first != " "
        let rest = line[line.index(after: colon)...]
        guard isTitle, rest.isEmpty || rest.hasPrefix(" ") else { return nil }
        return (String(name), rest.drop { $0 == " " })
    }

    private mutating func add(_ filled: inout [Substring], _ kept: inout [Substring]) {
        let last = sections.count - 1
        if !filled.isEmpty { sections[last].blocks.append(.paragraph(filled.joined(separator: " "))) }
        if !kept.isEmpty {
            let rows = kept.compactMap(Self.row)
            // Examples are there to be copied: they stay lines even where a remark stands beside each.
            let isTable = rows.count == kept.count && sections[last].title != "EXAMPLES"
            sections[last].blocks.append(isTable ? .table(rows) : .literal(kept.map(String.init)))
        }
        filled = []
        kept = []
    }

    /// A term, two blanks or more, and its meaning.
    private static func row(_ line: Substring) -> Row? {
        let text = line.drop { $0 == " " }
        guard let gap = text.firstRange(of: "  ") else { return nil }
        return Row(term: String(text[..<gap.lowerBound]), meaning: String(text[gap.upperBound...].drop { $0 == " " }))
    }
}
