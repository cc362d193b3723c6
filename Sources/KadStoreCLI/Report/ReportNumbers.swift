/// Every number of `kadstore stats --json`, by its path in the document: `rttUs.p50`, `failures.0.count`.
///
/// On the page each carries its path as `data-stat` and its exact value as `data-value`, so that a program can compare.
struct ReportNumbers {
    let all: [(path: String, value: String)]
    private let values: [String: String]

    init(_ document: JSON) {
        var all: [(String, String)] = []
        Self.flatten(document, path: "", into: &all)
        self.all = all
        values = Dictionary(all, uniquingKeysWith: { first, _ in first })
    }

    private static func flatten(_ value: JSON, path: String, into all: inout [(String, String)]) {
        func below(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
        switch value {
        case .int, .double: all.append((path, value.text))
        case .array(let elements):
            for (index, element) in elements.enumerated() { flatten(element, path: below("\(index)"), into: &all) }
        case .members(let members):
            for (name, member) in members { flatten(member, path: below(name), into: &all) }
        case .null, .bool, .string: break
        }
    }

    /// A number as people read it.
    func mark(_ path: String, _ text: String) -> HTML {
        guard let value = values[path] else { return "\(text)" }
        return "<span class=\"n\" data-stat=\"\(path)\" data-value=\"\(value)\">\(text)</span>"
    }

    func count(_ path: String, _ value: some BinaryInteger) -> HTML { mark(path, Terminal.page.count(value)) }
}
