import ArgumentParser
import KadExchange

/// The format of files that are read: `auto`, or one by its name.
enum FormatChoice: Hashable, Sendable, ExpressibleByArgument {
    case auto
    case named(ExchangeFormat)

    init?(argument: String) {
        if argument == "auto" {
            self = .auto
        } else if let format = ExchangeFormat(rawValue: argument), format.canImport {
            self = .named(format)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String { format?.name ?? "auto" }

    static var allValueStrings: [String] { ["auto"] + ExchangeFormat.importable.map(\.name) }

    static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }

    /// Nil to recognise it from the content.
    var format: ExchangeFormat? {
        switch self {
        case .auto: nil
        case .named(let format): format
        }
    }
}

extension ExchangeFormat: ExpressibleByArgument {
    /// For `--help`.
    public static var allValueStrings: [String] { allCases.map(\.name) }

    static func names(_ formats: [ExchangeFormat]) -> String { formats.map(\.name).joined(separator: ", ") }
}
