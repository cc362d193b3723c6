import KadExchange
import KadStore

/// One run of `kadstore import`: which store, then file by file.
struct ImportRun: Sendable {
    let command: ImportCommand

    private var path: String { command.database.path }

    func run() async throws {
        try command.database.requireWriting()
        let first = try open(command.files[0])
        let isNew = try await isMissing()
        if isNew, command.dryRun {
            try await TemporaryFolder.with { folder in
                try await run(first, in: "\(folder)/dry-run.db", isNew: true)
            }
        } else {
            try await run(first, in: path, isNew: isNew)
        }
    }

    /// Whether the store is still to be made: an import that was killed at once may have left an empty file.
    private func isMissing() async throws -> Bool {
        guard FileStatus.exists(path) else { return true }
        do throws(StoreError) {
            try await Store.open(path, options: command.database.options).close()
            return false
        } catch .emptyDatabase {
            return true
        }
    }

    private func open(_ file: String) throws -> ImportSource { try ImportSource.open(file, format: command.format) }

    private func run(_ first: ImportSource, in path: String, isNew: Bool) async throws {
        let mode: OpenMode = isNew ? try .create(network(of: first), scope(of: first)) : .readWrite
        var database = command.database
        database.file = path
        let document: (JSON, failure: CommandError?) = try await database.using(mode) { store in
            try expect(store)
            if isNew, !command.dryRun {
                Messages.line("Created \(Terminal.standardError.safe(path)): \(Self.describe(store)).")
            }
            return command.restore
                ? (try await restore(first, into: store, isNew: isNew), nil)
                : try await merge(first, into: store, isNew: isNew)
        }
        // After the store is closed: whoever reads this may have gone.
        if command.output.isJSON {
            var output = Output()
            try output.line(document.0.text)
            try output.flush()
        }
        if let failure = document.failure { throw failure }
    }

    // MARK: The store

    private func network(of source: ImportSource) throws -> Network {
        if command.network.isGiven { return try command.network.resolved(default: source.network ?? .libp2p) }
        guard let network = source.network else {
            throw CommandError.usage("\(source.name) does not say of what network its peers are: use --network.")
        }
        return network
    }

    private func scope(of source: ImportSource) -> Scope { command.network.scope ?? source.scope ?? .public }

    /// Options about the network hold for a store that is there, too.
    private func expect(_ store: Store) throws {
        let network = command.network.isGiven ? try command.network.resolved(default: store.network) : store.network
        let scope = command.network.scope ?? store.scope
        guard network == store.network, scope == store.scope else {
            throw StoreError.networkMismatch(
                path: store.path, expected: "network '\(network.name)' of \(scope.rawValue) scope",
                found: Self.describe(store))
        }
    }

    private static func describe(_ store: Store) -> String {
        "network '\(store.network.name)' of \(store.scope.rawValue) scope"
    }

    private func members(_ store: Store, isNew: Bool) -> [(String, JSON)] {
        [
            ("version", JSON.formatVersion), ("path", .string(path)), ("isDryRun", .bool(command.dryRun)),
            ("isNew", .bool(isNew)), ("network", .string(store.network.name)), ("scope", .string(store.scope.rawValue)),
        ]
    }

    // MARK: Files

    private func restore(_ source: ImportSource, into store: Store, isNew: Bool) async throws -> JSON {
        let report = try await store.restorePeers(from: source)
        let terminal = Terminal.standardError
        let counts = [
            terminal.count(report.peers, "peer"), terminal.count(report.candidates, "candidate"),
            terminal.count(report.tombstones, "tombstone"),
            terminal.count(report.identities, "identity", "identities"), terminal.count(report.buckets, "bucket"),
        ]
        Messages.line("Restored \(counts.joined(separator: ", ")) from \(terminal.safe(source.name)).")
        let restored = JSON.object([
            "peers": .int(report.peers), "candidates": .int(report.candidates), "tombstones": .int(report.tombstones),
            "identities": .int(report.identities), "buckets": .int(report.buckets),
            "heldFailures": .int(report.heldFailures), "sessions": .int(report.sessions),
            "lookups": .int(report.lookups),
        ])
        return .members(members(store, isNew: isNew) + [("restored", restored)])
    }

    /// Imports all files. What is wrong with one does not keep the others out.
    private func merge(
        _ first: ImportSource, into store: Store, isNew: Bool
    ) async throws -> (JSON, failure: CommandError?) {
        var files: [JSON] = []
        var failures: [ExitStatus] = []
        var taken = 0
        var isComplete = true
        for (index, file) in command.files.enumerated() {
            do {
                let source = index == 0 ? first : try open(file)
                let report = try await merge(source, into: store)
                let view = ImportReportView(report: report, scope: store.scope)
                for line in view.lines(.standardError) { Messages.line(line) }
                files.append(view.json)
                taken += report.taken
                if !report.isComplete { isComplete = false }
            } catch  where !Self.isInterruption(error) {
                Messages.error("\(CommandError.suggesting(for: error))")
                failures.append(ExitStatus(error))
                files.append(.object(["name": .string(file), "error": .string("\(error)")]))
            }
        }
        let document = JSON.members(members(store, isNew: isNew) + [("files", .array(files))])
        if isComplete, failures.isEmpty { return (document, nil) }
        let failure = taken > 0 ? CommandError.partlyImported : .nothingImported(failures.first ?? .badData)
        return (document, failure)
    }

    private func merge(_ source: ImportSource, into store: Store) async throws -> ImportReport {
        var options = ImportOptions(now: .systemClock())
        options.isDryRun = command.dryRun
        options.trustsHistory = command.trustHistory
        options.allowsUnroutable = command.allowUnroutable
        options.source = command.source
        let reading = Progress("Reading", unit: "records")
        let writing = Progress(command.dryRun ? "Comparing" : "Writing", unit: "records")
        options.onProgress = { progress in
            switch progress {
            case .reading(let records, let bytes, let size):
                reading.update(records, fraction: size.map { Double(bytes) / Double(max(1, $0)) })
            case .writing(let records, let total):
                writing.update(records, fraction: Double(records) / Double(max(1, total)))
            }
        }
        defer {
            reading.finish()
            writing.finish()
        }
        do throws(ExchangeError) {
            return try await store.importPeers(from: source, options)
        } catch .cancelled {
            throw CommandError.interrupted(
                "\(source.name) was still being read: nothing of it is in the store yet. Run the same command again.")
        }
    }

    /// Whether the rest of the files is not to be tried.
    private static func isInterruption(_ error: any Error) -> Bool {
        if case .interrupted? = error as? CommandError { return true }
        if case .store(.interrupted)? = error as? ExchangeError { return true }
        return false
    }
}
