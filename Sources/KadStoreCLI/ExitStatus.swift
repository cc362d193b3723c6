import KadExchange
import KadLibp2p
import KadNode
import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the command tells its caller. The numbers from 64 are those of `sysexits.h`.
enum ExitStatus: Int32, CaseIterable, Sendable {
    case success = 0
    /// The answer is no.
    case negative = 1
    case partlyDone = 3
    case usage = 64
    case badData = 65
    case noInput = 66
    case internalError = 70
    case cannotCreate = 73
    case inputOutput = 74
    case tryAgain = 75
    case noPermission = 77
    case configuration = 78

    func leave() -> Never { exit(rawValue) }

    /// For `--help`.
    var meaning: String {
        switch self {
        case .success: "done"
        case .negative:
            "the answer is no: problems were found, a goal was missed, two files differ, or there is no such peer, value or provider"
        case .partlyDone: "partly done: records were rejected, something was left, or the command was interrupted"
        case .usage: "the command line is wrong"
        case .badData: "an input or the database is damaged or not what it should be"
        case .noInput: "there is no such file or store"
        case .internalError: "a fault in kadstore itself"
        case .cannotCreate: "a file cannot be created, or must not be replaced"
        case .inputOutput: "reading or writing failed (disk full, I/O error)"
        case .tryAgain: "another process holds the database, or a node runs with the key: try again later"
        case .noPermission: "the system does not permit it"
        case .configuration: "the database is of another network, scope or schema version"
        }
    }
}

extension ExitStatus {
    /// The one place where errors become numbers.
    init(_ error: any Error) {
        switch error {
        case let error as CommandError: self = error.status
        case let error as StoreError: self = Self.status(of: error)
        case let error as ExchangeError: self = Self.status(of: error)
        case let error as KeyFileError: self = Self.status(of: error)
        case let error as ContentError: self = Self.status(of: error)
        default: self = .internalError
        }
    }

    private static func status(of error: StoreError) -> ExitStatus {
        switch error {
        case .notFound: .noInput
        case .notAStore, .corrupt, .foreignSchema, .invalidRecord, .emptyDatabase, .unsound, .tooLarge: .badData
        case .locked, .inUse, .backlog: .tryAgain
        case .readOnly: .noPermission
        case .newerSchema, .olderSchema, .foreignMigration, .networkMismatch: .configuration
        case .diskFull: .inputOutput
        case .notEmpty, .exists, .notReplaceable: .cannotCreate
        case .closed: .internalError
        case .invalidArgument: .usage
        case .interrupted: .partlyDone
        // A store that is to be opened and is not there has a case of its own: this one was to be created.
        case .system(_, _, let code): status(ofSystemError: code, creating: true)
        case .sqlite(_, let error): error.code == 10 ? .inputOutput : .internalError
        }
    }

    private static func status(of error: ExchangeError) -> ExitStatus {
        switch error {
        case .unrecognised, .ambiguous, .unsupported, .notRestorable: .badData
        case .networkMismatch, .networkNotCarried, .differentNetworks: .configuration
        case .networkNotStated: .usage
        case .alreadyRead: .internalError
        case .system(_, _, let code): status(ofSystemError: code, creating: false)
        case .brokenPipe, .diskFull: .inputOutput
        case .isDatabase: .cannotCreate
        case .cancelled: .partlyDone
        case .store(let error): status(of: error)
        }
    }

    private static func status(of error: KeyFileError) -> ExitStatus {
        switch error {
        case .notFound: .noInput
        case .notAFile, .tooLarge, .key: .badData
        case .exists: .cannotCreate
        case .system(_, _, let code): status(ofSystemError: code, creating: true)
        }
    }

    private static func status(of error: ContentError) -> ExitStatus {
        switch error {
        case .refused(.unknownNamespace), .badKey: .usage
        case .refused, .outdated, .tooLarge: .badData
        }
    }

    /// What the operating system refused to do with a file that was to be created, or to be there.
    static func status(ofSystemError code: Int32, creating: Bool) -> ExitStatus {
        switch code {
        case EACCES, EPERM, EROFS: .noPermission
        case ENOENT, ENOTDIR, EISDIR: creating ? .cannotCreate : .noInput
        case EEXIST: .cannotCreate
        case ENAMETOOLONG: creating ? .cannotCreate : .noInput
        default: .inputOutput
        }
    }
}

/// What the command itself refuses or fails at.
enum CommandError: Error, Hashable, Sendable {
    /// Options that contradict each other or the store.
    case usage(String)
    /// Input that cannot be understood.
    case notUnderstood(String)
    /// The store has no such peer; what might have been meant.
    case noSuchPeer(String, suggestions: [String])
    /// A name that nothing has: what is wrong, and what may have been meant.
    case notThere(String, suggestions: [String], status: ExitStatus)
    /// Several peers answer to an abbreviation; some of them.
    case ambiguousPeer(String, matches: [String])
    /// `check` found problems, and has printed them.
    case problemsFound(Int)
    /// `simulate --check` missed goals, and has printed them.
    case goalsMissed(Int)
    /// Standard output cannot be written.
    case output(code: Int32)
    /// A file cannot be created.
    case cannotCreate(path: String, code: Int32)
    /// The user interrupted; the text says what was done and how to go on.
    case interrupted(String)
    /// Some files were imported, others were not, or not all of their records; what is wrong has been printed.
    case partlyImported
    /// Something that must not be replaced unasked is there.
    case refused(String)
    /// The log could not be emptied: somebody reads from it.
    case logNotEmptied
    /// A damaged store was copied because that was asked for; the text is the first problem.
    case copiedWithProblems(String)
    /// Peers whose rows are damaged were left out.
    case damagedPeers(Int)
    /// Records of an export whose rows are damaged were left out: how many of which kind.
    case damagedRecords([String])
    /// Rows that are damaged were counted as far as they can be read.
    case damagedRows(Int)
    /// Rows of a damaged store could not be saved.
    case rowsLost(Int)
    /// No record of any file was imported; what is wrong has been printed.
    case nothingImported(ExitStatus)
    /// The network has nothing of what was asked for.
    case nothingFound(String)
    /// The time was over; the text says what is left.
    case outOfTime(String)
    /// Some peers were told, others were not; or not all of a network was visited.
    case partlyDone(String)
    /// A node that has not ended runs with this key.
    case keyInUse(path: String)
    /// Nothing can listen there; and why.
    case cannotListen(String, String)
    /// The process may open too few files at once for what it is to do; it needs so many besides those that are open.
    case fewDescriptors(limit: Int, needed: Int)
    /// Some records of converted files were left out; what is wrong has been printed.
    case partlyConverted
    /// Some records could not be compared; what is wrong has been printed.
    case partlyCompared

    var status: ExitStatus {
        switch self {
        case .usage: .usage
        case .notUnderstood: .badData
        case .notThere(_, _, let status): status
        case .noSuchPeer, .ambiguousPeer, .problemsFound, .goalsMissed, .nothingFound: .negative
        case .output, .fewDescriptors: .inputOutput
        case .refused: .cannotCreate
        case .cannotCreate(_, let code): ExitStatus.status(ofSystemError: code, creating: true)
        case .interrupted, .partlyImported, .partlyConverted, .damagedPeers, .damagedRecords, .damagedRows,
            .logNotEmptied, .copiedWithProblems:
            .partlyDone
        case .outOfTime, .partlyDone, .rowsLost: .partlyDone
        case .cannotListen: .cannotCreate
        case .keyInUse: .tryAgain
        case .partlyCompared: .badData
        case .nothingImported(let status): status
        }
    }
}

extension CommandError: CustomStringConvertible {
    var description: String {
        switch self {
        case .usage(let text), .notUnderstood(let text), .interrupted(let text), .refused(let text),
            .nothingFound(let text), .partlyDone(let text):
            text
        case .outOfTime(let text): "the time was over: \(text) --timeout gives more."
        case .keyInUse(let path): "\(path): another node runs with this key. End it first, or name another --identity."
        case .cannotListen(let what, let why): "cannot listen for \(what): \(why)."
        case .noSuchPeer(let text, let suggestions):
            "no peer '\(text)' in the store." + Self.list(suggestions, "Did you mean")
        case .notThere(let text, let suggestions, _): text + Self.list(suggestions, "Did you mean")
        case .ambiguousPeer(let text, let matches):
            "'\(text)' stands for more than one peer." + Self.list(matches, "Some of them:")
        case .problemsFound(let count):
            (count == 1 ? "1 problem found." : "\(count) problems found.")
                + " 'kadstore salvage' makes a sound database of what can be read, or put a backup back."
        case .goalsMissed(let count): count == 1 ? "1 goal missed." : "\(count) goals missed."
        case .output(let code): "cannot write to standard output: \(String(cString: strerror(code)))."
        case .cannotCreate(let path, let code): "\(path): cannot be created: \(String(cString: strerror(code)))."
        case .fewDescriptors(let limit, let needed):
            "only \(limit) files may be open at once, and this needs \(needed) besides those that are. Raise the limit: "
                + "'ulimit -n 256'."
        case .partlyImported: "not everything was imported."
        case .logNotEmptied:
            "the log could not be emptied: another process is reading from it. Run 'kadstore checkpoint' again later."
        case .copiedWithProblems(let first): "the store was copied as it is, damaged: \(first)"
        case .damagedPeers(let count):
            "\(count) peers were left out: their rows in the store are damaged. 'kadstore check' names them."
        case .damagedRecords(let kinds):
            "left out: \(kinds.joined(separator: ", ")). Their rows in the store are damaged. 'kadstore check' names them."
        case .damagedRows(let count):
            "\(count == 1 ? "1 row" : "\(count) rows") of the store cannot be read in full and were counted as far as they "
                + "can. 'kadstore check' names them."
        case .rowsLost(0): "some pages could not be read, or nothing led to them; no row is known to be lost."
        case .rowsLost(let count): count == 1 ? "1 row could not be saved." : "\(count) rows could not be saved."
        case .nothingImported: "nothing was taken."
        case .partlyConverted: "not everything was converted."
        case .partlyCompared: "not everything was compared."
        }
    }

    private static func list(_ lines: [String], _ title: String) -> String {
        lines.isEmpty ? "" : lines.reduce(" " + title) { $0 + "\n  " + $1 }
    }
}
