import KadExchange
import KadStore
import Kademlia
import Multiformats

/// One run of `kadstore import`: file by file, into a store that is made when there is something to put into it.
struct ImportRun: Sendable {
    let command: ImportCommand

    private var path: String { command.database.path }

    func run() async throws {
        try command.database.requireWriting()
        let document = command.restore ? try await restore() : try await merge()
        // After the store is closed: whoever reads this may have gone.
        if command.output.isJSON {
            var output = Output()
            try output.line(document.json.text)
            try output.flush()
        }
        if let failure = document.failure { throw failure }
    }

    private struct Document: Sendable {
        var json: JSON
        var failure: CommandError?
    }

    // MARK: The store

    /// What a store is, or would be.
    private struct Home: Sendable {
        let network: Network
        let scope: Scope
        var own: Set<PeerID> = []

        var description: String { "network '\(network.name)' of \(scope.rawValue) scope" }
    }

    /// Whether the store is still to be made: an import that was killed at once may have left an empty file.
    private func isMissing() async throws -> Bool {
        guard FileStatus.exists(path) else { return true }
        do throws(StoreError) {
            try await Store.open(path, mode: .readOnly, options: command.database.options).close()
            return false
        } catch .emptyDatabase {
            return true
        } catch .olderSchema {
            return false
        }
    }

    /// What a new store for this file is to be.
    private func home(for source: ImportSource) throws -> Home {
        guard let network = source.network ?? (command.network.isGiven ? .libp2p : nil) else {
            throw ExchangeError.networkNotStated(name: source.name)
        }
        return Home(
            network: command.network.isGiven ? try command.network.resolved(default: network) : network,
            scope: command.network.scope ?? source.scope ?? .public)
    }

    /// Opens the store that is there, or makes it.
    private func with<Value>(_ home: Home?, _ body: (Store, Home) async throws -> Value) async throws -> Value {
        let mode: OpenMode = home.map { .create($0.network, $0.scope) } ?? .readWrite
        return try await command.database.using(mode) { store in
            let found = Home(
                network: store.network, scope: store.scope, own: Set(try store.identities().map(\.peer.id)))
            try expect(found)
            if home != nil {
                Messages.line("Created \(Terminal.standardError.safe(path)): \(found.description).")
            }
            return try await body(store, found)
        }
    }

    /// Options about the network hold for a store that is there, too.
    private func expect(_ found: Home) throws {
        let network = command.network.isGiven ? try command.network.resolved(default: found.network) : found.network
        let wanted = Home(network: network, scope: command.network.scope ?? found.scope)
        guard wanted.network == found.network, wanted.scope == found.scope else {
            throw StoreError.networkMismatch(path: path, expected: wanted.description, found: found.description)
        }
    }

    private func members(_ home: Home?, isNew: Bool) -> [(String, JSON)] {
        [
            ("version", JSON.formatVersion), ("path", .string(path)), ("isDryRun", .bool(command.intake.dryRun)),
            ("isNew", .bool(isNew)), ("network", .optional(home?.network.name)),
            ("scope", .optional(home?.scope.rawValue)),
        ]
    }

    // MARK: A restore

    private func restore() async throws -> Document {
        let source = try open(command.files[0])
        let isNew = try await isMissing()
        let prepared: PreparedRestore
        do throws(ExchangeError) {
            prepared = try await source.preparedRestore()
        } catch .cancelled {
            throw CommandError.interrupted("\(source.name) was still being read: nothing is in the store.")
        }
        return try await with(isNew ? home(for: source) : nil) { store, home in
            let report = try await store.restorePeers(prepared)
            let terminal = Terminal.standardError
            let counts = [
                terminal.count(report.peers, "peer"), terminal.count(report.candidates, "candidate"),
                terminal.count(report.tombstones, "tombstone"),
                terminal.count(report.identities, "identity", "identities"), terminal.count(report.buckets, "bucket"),
            ]
            Messages.line("Restored \(counts.joined(separator: ", ")) from \(terminal.safe(source.name)).")
            let restored = JSON.object([
                "peers": .int(report.peers), "candidates": .int(report.candidates),
                "tombstones": .int(report.tombstones), "identities": .int(report.identities),
                "buckets": .int(report.buckets), "heldFailures": .int(report.heldFailures),
                "sessions": .int(report.sessions), "lookups": .int(report.lookups),
            ])
            return Document(json: .members(members(home, isNew: isNew) + [("restored", restored)]))
        }
    }

    // MARK: An import

    /// What became of the files so far.
    private struct Tally {
        var files: [JSON] = []
        var failures: [ExitStatus] = []
        var taken = 0
        var isComplete = true
        /// Where the store is made, or would be.
        var home: Home?
    }

    private func merge() async throws -> Document {
        let rejects = try command.intake.openRejectFile(
            besides: command.files + DatabaseOptions.files(of: path))
        let isNew = try await isMissing()
        let outcome: Result<Tally, any Error>
        do {
            outcome = .success(try await merge(isNew: isNew, rejects))
        } catch {
            outcome = .failure(error)
        }
        // Interrupted or not: what was rejected until then. The store may be there only now.
        if let rejects { try command.intake.commit(rejects, besides: DatabaseOptions.files(of: path), after: outcome) }
        return document(try outcome.get(), isNew: isNew)
    }

    private func document(_ tally: Tally, isNew: Bool) -> Document {
        let json = JSON.members(members(tally.home, isNew: isNew) + [("files", .array(tally.files))])
        if tally.isComplete, tally.failures.isEmpty { return Document(json: json) }
        return Document(
            json: json,
            failure: tally.taken > 0 ? .partlyImported : .nothingImported(tally.failures.first ?? .badData))
    }

    /// Imports all files. What is wrong with one does not keep the others out.
    private func merge(isNew: Bool, _ rejects: RejectFile?) async throws -> Tally {
        guard isNew else {
            return try await with(nil) { store, home in
                try await merge(command.files[...], into: store, home, rejects, Tally())
            }
        }
        var tally = Tally()
        for (index, file) in command.files.enumerated() {
            guard let (prepared, home) = try await first(file, rejects, &tally) else { continue }
            if command.intake.dryRun {
                note(try await prepared.preview(), home, &tally)
            } else if prepared.report.taken == 0 {
                // Until a file has something to give, there is no store.
                note(prepared.report, home, &tally)
            } else {
                return try await with(home) { [tally] store, home in
                    var tally = tally
                    note(try await finish(prepared, in: store), home, &tally)
                    return try await merge(command.files[(index + 1)...], into: store, home, rejects, tally)
                }
            }
        }
        return tally
    }

    /// Reads a file for a store that is not there yet.
    private func first(
        _ file: String, _ rejects: RejectFile?, _ tally: inout Tally
    ) async throws -> (PreparedImport, Home)? {
        do {
            let source = try open(file)
            let home = try tally.home ?? self.home(for: source)
            let prepared = try await read(source, home, try command.filter.filter(in: home.network, now: now), rejects)
            tally.home = home
            return (prepared, home)
        } catch {
            try fail(file, error, &tally)
            return nil
        }
    }

    private func merge(
        _ files: ArraySlice<String>, into store: Store, _ home: Home, _ rejects: RejectFile?, _ soFar: Tally
    ) async throws -> Tally {
        var tally = soFar
        let filter = try command.filter.filter(in: store, now: now)
        for file in files {
            do {
                let prepared = try await read(try open(file), home, filter, rejects)
                note(try await finish(prepared, in: store), home, &tally)
            } catch {
                try fail(file, error, &tally)
            }
        }
        return tally
    }

    /// What is wrong with a file; what is wrong with the store, or an interruption, ends the command.
    private func fail(_ file: String, _ error: any Error, _ tally: inout Tally) throws {
        switch error {
        case let error as ExchangeError:
            if case .store = error { throw error }
        default: throw error
        }
        Messages.error("\(CommandError.suggesting(for: error))")
        tally.failures.append(ExitStatus(error))
        tally.files.append(.object(["name": .string(file), "error": .string("\(error)")]))
    }

    private func note(_ report: ImportReport, _ home: Home, _ tally: inout Tally) {
        let view = ImportReportView(report: report, scope: home.scope)
        for line in view.lines(.standardError) { Messages.line(line) }
        tally.home = home
        tally.files.append(view.json)
        tally.taken += report.taken
        if !report.isComplete { tally.isComplete = false }
    }

    // MARK: A file

    private func open(_ file: String) throws -> ImportSource {
        do throws(ExchangeError) {
            return try ImportSource.open(file, format: command.format.format)
        } catch .cancelled {
            throw interrupted(reading: file)
        }
    }

    private func interrupted(reading name: String) -> CommandError {
        let what = name == "-" ? "standard input" : name
        return .interrupted(
            "\(what) was still being read: nothing of it is in the store yet. Run the same command again.")
    }

    private var now: Instant { .systemClock() }

    private func read(
        _ source: ImportSource, _ home: Home, _ filter: PeerFilter, _ rejects: RejectFile?
    ) async throws -> PreparedImport {
        let reading = Progress("Reading", unit: "records")
        let writing = Progress(command.intake.dryRun ? "Comparing" : "Writing", unit: "records")
        var options = command.intake.options(filter, now: now)
        if let rejects { options.onRejection = { [name = source.name] in rejects.append($0, of: name) } }
        options.onProgress = { progress in
            switch progress {
            case .reading: reading.update(progress)
            case .writing(let records, let total):
                writing.update(progress)
                if records == total { writing.finish() }
            }
        }
        defer { reading.finish() }
        do throws(ExchangeError) {
            return try await source.prepared(for: home.network, home.scope, own: home.own, options)
        } catch .cancelled {
            throw interrupted(reading: source.name)
        }
    }

    private func finish(_ prepared: PreparedImport, in store: Store) async throws -> ImportReport {
        do throws(ExchangeError) {
            return try await store.importPeers(prepared)
        } catch .store(.interrupted(let done)) {
            throw CommandError.interrupted(
                "Interrupted: \(done) of \(prepared.report.taken) records of \(prepared.report.name) are in the store. "
                    + "Run the same command again to go on.")
        }
    }
}
