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

    var path: String { file ?? Environment.value(of: "KADSTORE_DB") ?? "peers.db" }

    /// Opens the store for reading, runs `body`, and closes it whatever happens.
    func reading<Result>(_ body: (Store) async throws -> Result) async throws -> Result {
        try await using(.readOnly, body)
    }

    /// Opens the store, runs `body`, and closes it whatever happens. Where both fail, the first error is reported.
    func using<Result>(_ mode: OpenMode, _ body: (Store) async throws -> Result) async throws -> Result {
        guard !path.isEmpty else { throw CommandError.usage("--db needs the name of a file.") }
        let store = try await Store.open(path, mode: mode)
        let result: Result
        do {
            result = try await body(store)
        } catch {
            try? await store.close()
            throw error
        }
        try await store.close()
        return result
    }
}

/// How results are printed.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON. Its members are documented and stable.")
    var isJSON = false
}
