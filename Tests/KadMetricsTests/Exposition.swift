/// The text format 0.0.4 as its specification has it, read by other means than it is written.
struct Exposition {
    struct Fault: Error { let line: Substring }

    private(set) var types: [String: String] = [:]
    /// By name, and labels in their order.
    private(set) var samples: [String: Double] = [:]
    private(set) var order: [String] = []

    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Fault(line: "no newline at the end") }
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                let words = line.split(separator: " ")
                guard words.count == 4, words[1] == "TYPE", types[String(words[2])] == nil else {
                    throw Fault(line: line)
                }
                types[String(words[2])] = String(words[3])
                continue
            }
            try sample(line)
        }
    }

    private mutating func sample(_ line: Substring) throws {
        var rest = line
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
        guard let first = name.first, !first.isNumber else { throw Fault(line: line) }
        rest = rest.dropFirst(name.count)
        var labels: [String] = []
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                let label = rest.prefix { $0 != "=" }
                rest = rest.dropFirst(label.count + 1)
                guard !label.isEmpty, rest.popFirst() == "\"" else { throw Fault(line: line) }
                var value = ""
                while let character = rest.popFirst(), character != "\"" {
                    guard character == "\\" else {
                        value.append(character)
                        continue
                    }
                    switch rest.popFirst() {
                    case "n": value.append("\n")
                    case "\\": value.append("\\")
                    case "\"": value.append("\"")
                    default: throw Fault(line: line)
                    }
                }
                labels.append("\(label)=\(value)")
                if rest.first == "," { rest = rest.dropFirst() }
                guard !rest.isEmpty else { throw Fault(line: line) }
            }
            rest = rest.dropFirst()
        }
        let text = rest.drop { $0 == " " }
        let special: [String: Double] = ["+Inf": .infinity, "-Inf": -.infinity, "NaN": .nan]
        guard let value = special[String(text)] ?? Double(text) else { throw Fault(line: line) }
        let key = labels.isEmpty ? String(name) : "\(name){\(labels.joined(separator: ","))}"
        guard samples.updateValue(value, forKey: key) == nil else { throw Fault(line: line) }
        order.append(key)
    }
}
