/// The manual page of one command.
struct Page {
    var command: CommandInfo
    /// The root's name and version, at the foot of each page.
    var program: String
    var date: String
    /// The pages to name at the end.
    var related: [String]

    /// Sections that stand in another place than the help has them, in the order of man-pages(7).
    private static let last = ["ENVIRONMENT", "EXIT STATUS", "EXAMPLES"]

    private var discussion: Discussion { Discussion(command.discussion ?? "") }

    var text: String {
        let sections = discussion.sections
        var lines = [
            ".TH \(Roff.escape(command.pageName.uppercased())) 1 \(date) \"\(Roff.escape(program))\" \"User Commands\"",
            // An even margin is not worth the holes in lines of options.
            ".ad l", ".SH NAME", "\(Roff.escape(command.pageName)) \\-",
        ]
        lines += Roff.filled(summary) + [".SH SYNOPSIS"] + synopsis
        lines += [".SH DESCRIPTION"] + Roff.filled(command.abstract ?? "")
        for section in sections where section.title.isEmpty && !section.blocks.isEmpty {
            lines += [".PP"] + Self.lines(section.blocks)
        }
        lines += options + commands
        for section in sections where !section.title.isEmpty && !Self.last.contains(section.title) {
            lines += [".SH \(Roff.escape(section.title))"] + Self.lines(section.blocks)
        }
        for title in Self.last {
            let found = sections.filter { $0.title == title }
            if !found.isEmpty {
                lines += [".SH \(title)"] + found.flatMap { Self.lines($0.blocks) }
            } else if title == "EXIT STATUS" {
                lines += [".SH \(title)", "0 on success; all numbers are listed in", ".BR kadstore (1)."]
            }
        }
        lines += [".SH SEE ALSO"]
        lines += related.enumerated().map { number, name in
            ".BR \(Roff.whole(name)) (1)" + (number == related.count - 1 ? "" : ",")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Without the full stop and the capital, as whatis(1) lists it.
    private var summary: String {
        var text = Substring(command.abstract ?? "")
        if text.hasSuffix(".") { text.removeLast() }
        // A second capital is an abbreviation's.
        let isWord = text.dropFirst().first?.isUppercase == false
        return isWord ? text.prefix(1).lowercased() + text.dropFirst() : String(text)
    }

    private var synopsis: [String] {
        var lines = [".B \(Roff.escape(command.invocation))"]
        for argument in command.shownArguments where !argument.isEverywhere { lines.append(argument.synopsis) }
        if !command.shownSubcommands.isEmpty { lines.append("\(Roff.italic("command")) [\\fIarguments\\fR ...]") }
        return lines
    }

    private var options: [String] {
        var titles: [String] = []
        for argument in command.shownArguments {
            let title = argument.sectionTitle ?? ""
            if !titles.contains(title) { titles.append(title) }
        }
        guard !titles.isEmpty else { return [] }
        // Those without a title first: after a heading they would seem to stand under it.
        titles = titles.filter(\.isEmpty) + titles.filter { !$0.isEmpty }
        return [".SH OPTIONS"]
            + titles.flatMap { title in
                (title.isEmpty ? [] : [".SS \(Roff.escape(title))"])
                    + command.shownArguments.filter { ($0.sectionTitle ?? "") == title }.flatMap(\.entry)
            }
    }

    private var commands: [String] {
        guard !command.shownSubcommands.isEmpty else { return [] }
        return [".SH COMMANDS"]
            + command.shownSubcommands.flatMap { subcommand in
                [".TP", ".BR \(Roff.whole(subcommand.pageName)) (1)"] + Roff.filled(subcommand.abstract ?? "")
            }
    }

    private static func lines(_ blocks: [Discussion.Block]) -> [String] {
        blocks.enumerated().flatMap { number, block in
            switch block {
            case .paragraph(let text): (number > 0 ? [".PP"] : []) + Roff.filled(text)
            case .literal(let kept): (number > 0 ? [".PP"] : []) + [".EX"] + kept.map(Roff.line) + [".EE"]
            case .table(let rows): rows.flatMap { [".TP", Roff.bold($0.term)] + Roff.filled($0.meaning) }
            }
        }
    }
}

extension CommandInfo.Argument {
    /// Whether every command has it, so that no synopsis needs to say so.
    fileprivate var isEverywhere: Bool { names?.contains { $0.name == "help" || $0.name == "version" } ?? false }

    private var value: String { Roff.italic(valueName ?? "value") }

    fileprivate var synopsis: String {
        let name = names?.first { $0.kind == "long" } ?? names?.first
        let shown =
            switch kind {
            case .positional: value
            case .flag: Roff.bold(name?.text ?? "")
            case .option: Roff.bold(name?.text ?? "") + "\\~" + value
            }
        let text = isOptional ? "[\(shown)]" : shown
        return isRepeating ? text + "\\~...\\&" : text
    }

    /// Its entry in the list of options.
    fileprivate var entry: [String] {
        let spelled = (names ?? []).map { Roff.bold($0.text) }.joined(separator: ", ")
        let tag =
            switch kind {
            case .positional: value
            case .flag: spelled
            case .option: spelled + " " + value
            }
        var sentences = [abstract ?? ""]
        if let allValues, !allValues.isEmpty { sentences.append("One of: \(allValues.joined(separator: ", ")).") }
        if let defaultValue { sentences.append("(default: \(defaultValue))") }
        let more = discussion.map { [".IP"] + Roff.filled($0) } ?? []
        return [".TP", tag] + Roff.filled(sentences.joined(separator: " ")) + more
    }
}
