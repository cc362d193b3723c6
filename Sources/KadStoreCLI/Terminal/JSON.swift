/// A JSON value to print. An object's members keep their order: shapes are documented as they are printed.
indirect enum JSON: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSON])
    case members([(String, JSON)])

    static func int(_ value: Int) -> JSON { .int(Int64(value)) }

    static func object(_ members: KeyValuePairs<String, JSON>) -> JSON { .members(members.map { ($0.key, $0.value) }) }

    static func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }

    static func optional(_ value: Int64?) -> JSON { value.map { JSON.int($0) } ?? .null }

    static func strings(_ texts: some Sequence<String>) -> JSON { .array(texts.map(JSON.string)) }

    /// The number that every document carries: it changes when a member goes or changes its meaning, not when one is
    /// added.
    static let formatVersion = JSON.int(1)

    var text: String {
        var output = ""
        append(to: &output)
        return output
    }

    func append(to output: inout String) {
        switch self {
        case .null: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .int(let value): output += String(value)
        case .double(let value): output += value.isFinite ? "\(value)" : "null"
        case .string(let value): Self.append(value, to: &output)
        case .array(let values):
            output += "["
            for (index, value) in values.enumerated() {
                if index > 0 { output += "," }
                value.append(to: &output)
            }
            output += "]"
        case .members(let members):
            output += "{"
            for (index, (name, value)) in members.enumerated() {
                if index > 0 { output += "," }
                Self.append(name, to: &output)
                output += ":"
                value.append(to: &output)
            }
            output += "}"
        }
    }

    /// RFC 8259, section 7. What would be obeyed or hidden by a terminal is escaped too, so that a document may be
    /// looked at: it reads back the same.
    private static func append(_ text: String, to output: inout String) {
        output += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\t": output += "\\t"
            case _ where isPlain(scalar): output.unicodeScalars.append(scalar)
            default: for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { escape(unit, to: &output) }
            }
        }
        output += "\""
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x20..<0x7f).contains(scalar.value) }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
        default: true
        }
    }

    private static func escape(_ unit: UInt16, to output: inout String) {
        let digits = String(unit, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}
