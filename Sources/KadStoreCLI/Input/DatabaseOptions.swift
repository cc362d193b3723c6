import ArgumentParser
import KadStore

/// Which file a command works on.
struct DatabaseOptions: ParsableArguments {
    @Option(
        name: .customLong("db"),
        help: ArgumentHelp(
            "The database. (default: $KADSTORE_DB, or ./peers.db)", valueName: "file"),
        completion: .file(extensions: ["db"]))
    var file: String?

    @Flag(help: "Write neither the database nor its log, not even to tidy up. Commands that have to write refuse.")
    var readOnly = false

    @Option(
        help: ArgumentHelp(
            "How long to wait while another process writes, or has open what must be had alone; 0 does not wait. "
                + "(default: 5)", valueName: "seconds"))
    var wait: Seconds?

    var path: String { file ?? Environment.value(of: "KADSTORE_DB") ?? "peers.db" }

    /// How long to wait for others, in milliseconds.
    var waitMilliseconds: Int { wait?.milliseconds ?? StoreOptions().waitMilliseconds }

    var options: StoreOptions {
        var options = StoreOptions()
        options.waitMilliseconds = waitMilliseconds
        options.leavesFilesAlone = readOnly
        return options
    }

    func validatePath() throws {
        guard !path.isEmpty else { throw CommandError.usage("--db needs the name of a file.") }
    }

    /// For commands that write, before they do anything.
    func requireWriting() throws {
        try validatePath()
        guard !readOnly else { throw CommandError.usage("this writes the database: leave --read-only out.") }
    }

    /// Opens the store for reading, runs `body`, and closes it whatever happens.
    func reading<Result>(_ body: (Store) async throws -> Result) async throws -> Result {
        try await using(.readOnly, body)
    }

    /// Opens the store, runs `body`, and closes it whatever happens. Where both fail, the first error is reported.
    func using<Result>(_ mode: OpenMode, _ body: (Store) async throws -> Result) async throws -> Result {
        let (result, fault) = try await answering(mode, body)
        if let fault { throw fault }
        return result
    }

    /// Likewise, where the result is worth having although what was learnt on the way cannot be written down.
    ///
    /// - Returns: the result, and why the store could not be closed: to be thrown when the result was shown.
    func answering<Result>(
        _ mode: OpenMode, _ body: (Store) async throws -> Result
    ) async throws -> (result: Result, fault: StoreError?) {
        try validatePath()
        if mode != .readOnly { try requireWriting() }
        let store = try await Store.open(path, mode: mode, options: options)
        if let log = store.keptLog {
            let terminal = Terminal.standardError
            Messages.line(
                "\(terminal.paint("warning", .yellow)): a page of the log is damaged: what was committed behind it is not in the "
                    + "database. The log is kept as \(terminal.safe(log)).")
        }
        let result: Result
        do {
            result = try await body(store)
        } catch {
            try? await store.close()
            throw error
        }
        do throws(StoreError) {
            try await store.close()
            return (result, nil)
        } catch {
            return (result, error)
        }
    }
}

/// A span on the command line, in seconds with up to three decimals: `0`, `2`, `0.25`.
struct Seconds: Hashable, Sendable, ExpressibleByArgument {
    let milliseconds: Int

    init?(argument: String) {
        let parts = argument.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), (1...6).contains(parts[0].utf8.count),
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }), let whole = Int(parts[0])
        else { return nil }
        let decimals = parts.count == 2 ? parts[1] : "0"
        guard (1...3).contains(decimals.utf8.count),
            let thousandths = Int(decimals + String(repeating: "0", count: 3 - decimals.utf8.count))
        else { return nil }
        milliseconds = whole * 1_000 + thousandths
    }
}

/// How results are printed.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON. Its members are documented and stable.")
    var isJSON = false
}
