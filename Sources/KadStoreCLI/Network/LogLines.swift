import ArgumentParser
import KadStore
import Kademlia
import Logging

/// How a node logs: a line for each event, on standard error.
enum LogFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
    case text, json
}

/// Writes log events as lines. What strangers call themselves ends up in metadata: it is made harmless in text, and escaped
/// in JSON.
struct LogLines: LogHandler {
    let format: LogFormat
    var terminal = Terminal.standardError
    /// Takes whole lines, with their ends.
    var write: @Sendable (String) -> Void = Messages.raw

    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(_ format: LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    /// A logger for the parts of a node.
    func logger(_ label: String) -> Logger { Logger(label: label) { _ in self } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        let pairs = all.map { (name: $0.key, value: "\($0.value)") }.sorted { $0.name < $1.name }
        write(line(event.level, "\(event.message)", pairs, at: .systemClock()) + "\n")
    }

    func line(
        _ level: Logger.Level, _ message: String, _ pairs: [(name: String, value: String)], at now: Instant
    ) -> String {
        let time = UTC.preciseText(now)
        switch format {
        case .text:
            let name = level.rawValue + String(repeating: " ", count: max(0, 7 - level.rawValue.utf8.count))
            let words = pairs.map { " " + terminal.paint("\(terminal.safe($0.name))=", .dim) + quoted($0.value) }
            return terminal.paint(time, .dim) + " " + terminal.paint(name, ink(level)) + " " + terminal.safe(message)
                + words.joined()
        case .json:
            return JSON.object([
                "at": .string(time), "level": .string(level.rawValue), "message": .string(message),
                "metadata": .members(pairs.map { ($0.name, .string($0.value)) }),
            ]).text
        }
    }

    /// A value that ends where it seems to end.
    private func quoted(_ value: String) -> String {
        let safe = terminal.safe(value)
        let isPlain = !safe.isEmpty && !safe.contains { $0 == " " || $0 == "\"" || $0 == "=" }
        return isPlain ? safe : "\"" + safe.replacing("\"", with: "'") + "\""
    }

    private func ink(_ level: Logger.Level) -> Ink {
        switch level {
        case .trace, .debug: .dim
        case .info, .notice: .plain
        case .warning: .yellow
        case .error, .critical: .red
        }
    }
}

/// What is logged.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What to log: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: Self.level)
    var logLevel: Logger.Level?

    @Option(help: "How to log on standard error: text, or a JSON object a line.")
    var logFormat = LogFormat.text

    private static func level(_ name: String) throws -> Logger.Level {
        guard let level = Logger.Level(rawValue: name) else { throw ValidationError("There is no level '\(name)'.") }
        return level
    }

    func lines(default level: Logger.Level) -> LogLines { LogLines(logFormat, level: logLevel ?? level) }
}
