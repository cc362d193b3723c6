import Foundation

/// A JSON value that keeps apart what `JSONSerialization` does not on every platform: true and 1.
enum JSONValue: Decodable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    init(_ text: some StringProtocol) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }

    /// The one document that a command has printed, or those on its lines.
    static func documents(_ output: String) throws -> [JSONValue] {
        if let document = try? JSONValue(output) { return [document] }
        return try output.split(separator: "\n").map { try JSONValue($0) }
    }

    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    var text: String? {
        guard case .text(let value) = self else { return nil }
        return value
    }

    var elements: [JSONValue] {
        guard case .array(let values) = self else { return [] }
        return values
    }

    var integer: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }
}
