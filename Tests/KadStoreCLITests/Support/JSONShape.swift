import Testing

/// A shape of JSON as a command's help gives it after `JSON:`, to the end of the help:
///
///     help   = { "JSON" [ " " text ] ": " shape | NAME " = " shape }, a line each
///     shape  = kind { "or" kind }
///     kind   = "{" member { "," member } "}" | "{" NAME IN CAPITALS ":" shape "}" | "[" shape "]"
///              | "text" | "integer" | "number" | "boolean" | "null" | literal in quotes | NAME of a line above or below
///     member = NAME [ "?" ] [ ":" shape | "or null" ]
///
/// A member without a shape is an integer, or a boolean when its name begins with `is` or `has`. What stands in parentheses
/// is for people.
indirect enum JSONShape: Equatable {
    case integer, number, boolean, text, null
    case literal(String)
    case array(JSONShape)
    case map(JSONShape)
    case object([Member])
    case either([JSONShape])
    case named(String)

    struct Member: Equatable {
        let name: String
        let mayBeAbsent: Bool
        let shape: JSONShape
    }
}

/// What the help of one command says of its JSON.
struct DocumentedJSON {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var documents: [JSONShape] = []
    private(set) var parts: [String: JSONShape] = [:]

    /// - Parameter discussion: the help text, before it is wrapped.
    init(discussion: String) throws {
        let lines = discussion.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { $0.hasPrefix("JSON") }) else {
            throw Fault(description: "its help has no line that begins with JSON:")
        }
        for line in lines[start...] where !line.isEmpty {
            var parser = Parser(String(line))
            if line.hasPrefix("JSON"), let colon = line.firstIndex(of: ":") {
                parser = Parser(String(line[line.index(after: colon)...]))
                documents.append(try parser.whole())
            } else {
                let name = try parser.name()
                try parser.expect("=")
                guard parts.updateValue(try parser.whole(), forKey: name) == nil else {
                    throw Fault(description: "two shapes are called \(name)")
                }
            }
        }
        for document in documents {
            guard case .object(let members) = document, members.contains(where: { $0.name == "version" }) else {
                throw Fault(description: "a document without version")
            }
        }
        for name in Set((documents + parts.values).flatMap(Self.names)) where parts[name] == nil {
            throw Fault(description: "\(name) is used and not explained")
        }
    }

    private static func names(_ shape: JSONShape) -> [String] {
        switch shape {
        case .named(let name): [name]
        case .array(let inner), .map(let inner): names(inner)
        case .either(let choices): choices.flatMap(names)
        case .object(let members): members.flatMap { names($0.shape) }
        default: []
        }
    }

    // MARK: Comparing

    /// All members that are documented, as paths: `peer.addresses.source`; of objects that a literal tells apart,
    /// `fact<held>.atMs`.
    var paths: Set<String> {
        var found: Set<String> = []
        for document in documents { Self.collect(document, "", &found) }
        for (name, shape) in parts { Self.collect(shape, name, &found) }
        return found
    }

    private static func collect(_ shape: JSONShape, _ path: String, _ found: inout Set<String>) {
        switch shape {
        case .array(let inner), .map(let inner): collect(inner, path, &found)
        case .either(let choices): for choice in choices { collect(choice, path, &found) }
        case .object(let members):
            for member in members {
                let path = Self.path(path, members, member.name)
                found.insert(path)
                collect(member.shape, path, &found)
            }
        default: break
        }
    }

    private static func path(_ path: String, _ members: [JSONShape.Member], _ name: String) -> String {
        var path = path
        if case .literal(let kind)? = members.first?.shape { path += "<\(kind)>" }
        return path.isEmpty ? name : "\(path).\(name)"
    }

    /// Compares a printed document with the shapes.
    ///
    /// - Parameter seen: gains the paths of members that were there with a value other than null.
    /// - Returns: what contradicts, in words.
    func problems(_ document: JSONValue, seen: inout Set<String>) -> [String] {
        problems(document, .either(documents), "", &seen)
    }

    private func problems(
        _ value: JSONValue, _ shape: JSONShape, _ path: String, _ seen: inout Set<String>
    ) -> [String] {
        switch (shape, value) {
        case (.integer, .integer), (.number, .integer), (.number, .number), (.boolean, .boolean), (.text, .text),
            (.null, .null):
            return []
        case (.literal(let literal), .text(let text)) where literal == text: return []
        case (.named(let name), _): return problems(value, parts[name] ?? .null, name, &seen)
        case (.array(let inner), .array(let values)):
            return values.flatMap { problems($0, inner, path, &seen) }
        case (.map(let inner), .object(let members)):
            return members.values.flatMap { problems($0, inner, path, &seen) }
        case (.either(let choices), _):
            var fewest: [String]?
            for choice in choices {
                var seenHere = seen
                let found = problems(value, choice, path, &seenHere)
                if found.isEmpty {
                    seen = seenHere
                    return []
                }
                // What is of another kind altogether says less than an object with a fault.
                if fewest == nil || Self.isObject(choice) { fewest = found }
            }
            return fewest ?? []
        case (.object(let members), .object(let values)):
            var found: [String] = []
            for member in members {
                let path = Self.path(path, members, member.name)
                guard let value = values[member.name] else {
                    if !member.mayBeAbsent { found.append("\(path) is missing") }
                    continue
                }
                if value != .null { seen.insert(path) }
                found += problems(value, member.shape, path, &seen)
            }
            let known = Set(members.map(\.name))
            return found + values.keys.filter { !known.contains($0) }.sorted().map { "\(path).\($0) is undocumented" }
        default: return ["\(path) is not of the shape \(shape): \(String(describing: value).prefix(100))"]
        }
    }

    private static func isObject(_ shape: JSONShape) -> Bool {
        if case .object = shape { return true }
        return false
    }
}

extension DocumentedJSON {
    /// Reads one line.
    struct Parser {
        private var tokens: [String] = []

        init(_ text: String) {
            var word = ""
            var depth = 0
            var isQuoted = false
            func isSign(_ character: Character) -> Bool { "{}[]:,?=".contains(character) }
            for character in text {
                if isQuoted {
                    word.append(character)
                    guard character == "\"" else { continue }
                    isQuoted = false
                    tokens.append(word)
                    word = ""
                    continue
                }
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                if depth > 0 || character == ")" { continue }
                if character == " " || isSign(character) || character == "\"" {
                    if !word.isEmpty { tokens.append(word) }
                    word = ""
                }
                if isSign(character) { tokens.append(String(character)) }
                if character == "\"" { isQuoted = true }
                if character != " ", !isSign(character) { word.append(character) }
            }
            if !word.isEmpty { tokens.append(word) }
            tokens.reverse()
        }

        mutating func whole() throws -> JSONShape {
            let shape = try self.shape()
            guard tokens.isEmpty else {
                throw Fault(description: "after a shape there is \(tokens.reversed().joined(separator: " "))")
            }
            return shape
        }

        mutating func expect(_ token: String) throws {
            guard tokens.popLast() == token else { throw Fault(description: "\(token) was expected") }
        }

        mutating func name() throws -> String {
            guard let name = tokens.popLast(), let first = name.first, first.isLetter,
                name.allSatisfy({ $0.isLetter || $0.isNumber })
            else { throw Fault(description: "a name was expected") }
            return name
        }

        private mutating func shape() throws -> JSONShape {
            var choices = [try kind()]
            while tokens.last == "or" {
                tokens.removeLast()
                choices.append(try kind())
            }
            return choices.count == 1 ? choices[0] : .either(choices)
        }

        private mutating func kind() throws -> JSONShape {
            switch tokens.last {
            case "{": return try object()
            case "[":
                tokens.removeLast()
                let inner = try shape()
                try expect("]")
                return .array(inner)
            case let word? where word.hasPrefix("\""):
                tokens.removeLast()
                return .literal(String(word.dropFirst().dropLast()))
            default:
                let name = try self.name()
                let known: [String: JSONShape] = [
                    "text": .text, "integer": .integer, "number": .number, "boolean": .boolean, "null": .null,
                ]
                return known[name] ?? .named(name)
            }
        }

        private mutating func object() throws -> JSONShape {
            try expect("{")
            var members: [JSONShape.Member] = []
            repeat {
                if tokens.last == "," { tokens.removeLast() }
                let name = try self.name()
                let mayBeAbsent = tokens.last == "?"
                if mayBeAbsent { tokens.removeLast() }
                var shape: JSONShape = name.hasPrefix("is") || name.hasPrefix("has") ? .boolean : .integer
                if tokens.last == ":" {
                    tokens.removeLast()
                    shape = try self.shape()
                } else if tokens.last == "or" {
                    tokens.removeLast()
                    try expect("null")
                    shape = .either([shape, .null])
                }
                if name == name.uppercased() {
                    try expect("}")
                    return .map(shape)
                }
                members.append(JSONShape.Member(name: name, mayBeAbsent: mayBeAbsent, shape: shape))
            } while tokens.last == ","
            try expect("}")
            guard Set(members.map(\.name)).count == members.count else {
                throw Fault(description: "a member is there twice: \(members.map(\.name))")
            }
            return .object(members)
        }
    }
}
