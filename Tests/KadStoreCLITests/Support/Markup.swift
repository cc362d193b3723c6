/// The elements of a page, read strictly: what does not nest, or a tag that does not end, is an error.
///
/// Much less than what browsers accept, and so an oracle for pages of our own: whatever it reads, a browser reads the same.
struct Markup {
    struct Element {
        var name: String
        var attributes: [String: String]
        /// The text inside, of all depths.
        var text = ""
        var parent: Int?
    }

    struct Fault: Error, CustomStringConvertible {
        var description: String
    }

    private(set) var elements: [Element] = []

    private static let void: Set<String> = ["meta", "br", "!doctype"]

    init(_ source: String) throws {
        var open: [Int] = []
        var rest = Substring(source)
        while let tag = rest.firstIndex(of: "<") {
            let text = Self.plain(rest[..<tag])
            for index in open { elements[index].text += text }
            rest = rest[tag...].dropFirst()
            let isEnd = rest.first == "/"
            if isEnd { rest = rest.dropFirst() }
            let name = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "!") })
            guard !name.isEmpty else { throw Fault(description: "a tag without a name: \(rest.prefix(40))") }
            rest = rest.dropFirst(name.count)
            if isEnd {
                guard let last = open.popLast(), elements[last].name == name, rest.first == ">" else {
                    throw Fault(description: "</\(name)> ends nothing: \(rest.prefix(40))")
                }
                rest = rest.dropFirst()
                continue
            }
            var attributes: [String: String] = [:]
            var isClosed = false
            while true {
                rest = rest.drop { $0.isWhitespace }
                if rest.first == ">" { break }
                if rest.hasPrefix("/>") {
                    isClosed = true
                    rest = rest.dropFirst()
                    break
                }
                let attribute = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
                guard !attribute.isEmpty, attributes[attribute] == nil else {
                    throw Fault(description: "in <\(name)>: \(rest.prefix(40))")
                }
                rest = rest.dropFirst(attribute.count)
                guard rest.hasPrefix("=\"") else {
                    attributes[attribute] = ""
                    continue
                }
                rest = rest.dropFirst(2)
                guard let end = rest.firstIndex(of: "\"") else { throw Fault(description: "\(attribute) has no end") }
                attributes[attribute] = Self.plain(rest[..<end])
                rest = rest[end...].dropFirst()
            }
            rest = rest.dropFirst()
            elements.append(Element(name: name, attributes: attributes, parent: open.last))
            if !isClosed, !Self.void.contains(name) { open.append(elements.count - 1) }
        }
        guard open.isEmpty else { throw Fault(description: "<\(elements[open[0]].name)> has no end") }
    }

    func all(_ name: String) -> [Element] { elements.filter { $0.name == name } }

    private static func plain(_ text: Substring) -> String {
        var plain = String(text)
        for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
            plain = plain.split(separator: entity, omittingEmptySubsequences: false).joined(separator: character)
        }
        return plain
    }
}
