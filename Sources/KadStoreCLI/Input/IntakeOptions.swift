import ArgumentParser
import KadExchange
import KadStore
import Kademlia

/// What is taken of foreign files: the same for `import` and `convert`.
struct IntakeOptions: ParsableArguments {
    @Flag(help: "Let successes, round-trip times and counters of the files count as one's own.")
    var trustHistory = false

    @Flag(help: "Take ids and addresses only: no times, counters, failures, agents or protocols.")
    var noHistory = false

    @Flag(help: "Keep addresses that the scope does not admit.")
    var allowUnroutable = false

    @Option(help: ArgumentHelp("Who is named as the source of the peers. (default: file:NAME)", valueName: "name"))
    var asSource: String?

    @Option(
        help: ArgumentHelp(
            "Write rejected records to this file, a JSON line each.", valueName: "file"), completion: .file())
    var rejectFile: String?

    @Flag(help: "Count what would be done, and change nothing.")
    var dryRun = false

    func validate() throws {
        guard !(trustHistory && noHistory) else {
            throw ValidationError("--trust-history and --no-history contradict each other.")
        }
        guard rejectFile != "" else { throw ValidationError("The name of --reject-file is empty.") }
        guard rejectFile != "-" else {
            throw ValidationError("--reject-file needs a file: standard output is for data.")
        }
    }

    /// Whether any of them is given.
    var isGiven: Bool {
        trustHistory || noHistory || allowUnroutable || asSource != nil || rejectFile != nil || dryRun
    }

    /// - Parameter filter: which records.
    func options(_ filter: PeerFilter, now: Instant) -> ImportOptions {
        var options = ImportOptions(now: now)
        options.isDryRun = dryRun
        options.trustsHistory = trustHistory
        options.takesHistory = !noHistory
        options.allowsUnroutable = allowUnroutable
        options.source = asSource
        options.filter = filter
        return options
    }

    /// Opens the file for rejected records, where there is to be one.
    ///
    /// - Parameter others: files that it must not replace.
    func openRejectFile(besides others: [String]) throws -> RejectFile? {
        guard let rejectFile else { return nil }
        return try RejectFile.open(rejectFile, besides: others)
    }

    /// Makes the file of rejected records appear; where the command has failed, its error comes first.
    ///
    /// - Parameter others: files that the command has made, which this one must not replace.
    func commit<Value>(_ rejects: RejectFile, besides others: [String], after outcome: Result<Value, any Error>) throws
    {
        do {
            if let rejectFile { try RejectFile.require(rejectFile, besides: others) }
            try rejects.commit()
        } catch {
            _ = try outcome.get()
            throw error
        }
    }
}

extension RejectFile {
    /// Opens a file for what is rejected.
    ///
    /// - Parameter others: files that it must not replace.
    static func open(_ path: String, besides others: [String]) throws -> RejectFile {
        try require(path, besides: others)
        do throws(ExchangeError) {
            return try RejectFile(path: path)
        } catch .system(_, let name, let code) {
            throw CommandError.cannotCreate(path: name, code: code)
        }
    }

    static func require(_ path: String, besides others: [String]) throws {
        for other in others where other == path || FileStatus.isSame(other, path) {
            throw CommandError.usage("--reject-file \(path) is another file of this command: name a new one.")
        }
    }
}
