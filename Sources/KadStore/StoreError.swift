#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a store can refuse or fail at. Each case names what a person needs to act on.
public enum StoreError: Error, Hashable, Sendable {
    /// There is no file, and creating one was not asked for.
    case notFound(path: String)
    /// The file is not an SQLite database, or one of another program.
    case notAStore(path: String, reason: String)
    /// The file is an SQLite database with nothing in it: opened for writing, it is not made a store unasked.
    case emptyDatabase(path: String)
    /// The file is damaged.
    case corrupt(path: String, detail: String)
    /// Another process held the write lock for the whole waiting time, or others did in turns. `holders` are processes that
    /// have it now, as far as the system says.
    case locked(path: String, holders: [Int32], waitedMilliseconds: Int)
    /// Another connection has the file open, of another process or of this one: what is to be done needs it alone.
    /// `holders` are processes that have it open, as far as the system says.
    case inUse(path: String, holders: [Int32], waitedMilliseconds: Int)
    /// The file, its folder or the way it was opened does not allow writing.
    case readOnly(path: String)
    /// Written by a later version of this software.
    case newerSchema(path: String, found: Int, supported: Int)
    /// An older schema, opened for reading only; or one whose upgrade rewrites data, which opening does not do unasked.
    case olderSchema(path: String, found: Int, supported: Int)
    /// A migration in the file is not the one that this software has under the same number.
    case foreignMigration(path: String, version: Int, name: String)
    /// The file's schema has something that would run with our statements and is not of our migrations: a trigger, an index, a
    /// table that was changed.
    case foreignSchema(path: String, detail: String)
    /// The store holds another network or scope than was asked for.
    case networkMismatch(path: String, expected: String, found: String)
    /// No room left on the device.
    case diskFull(path: String)
    /// More writes are queued than the bound allows: wait with `flush()`, or drop the event.
    case backlog(limit: Int)
    /// `import --restore` and the like into a store that has peers.
    case notEmpty(path: String)
    /// A file that would be replaced is there.
    case exists(path: String)
    /// A file that must not be replaced, and why.
    case notReplaceable(path: String, reason: String)
    /// A check of a whole store, or of a copy of one, found problems; the text is the first of them.
    case unsound(path: String, problems: Int, first: String)
    /// The store has been closed.
    case closed
    /// A value that makes no sense; the text says which.
    case invalidArgument(String)
    /// A record that contradicts itself or the network; the text says how.
    case invalidRecord(String)
    /// A key or value of more bytes than are kept.
    case tooLarge(what: String, bytes: Int, limit: Int)
    /// The task was cancelled; what was committed until then stays.
    case interrupted(done: Int)
    /// The operating system refused.
    case system(operation: String, path: String, code: Int32)
    /// SQLite failed in a way that has no case of its own.
    case sqlite(path: String, SQLiteError)

    init(_ error: SQLiteError, path: String) {
        switch error.code {
        case SQLiteError.obstructed:
            self = .notAStore(
                path: error.message,
                reason: "it is no regular file, or somebody else's, and stands where what belongs to \(path) is kept")
        case 5, 6:
            // A program that takes SQLite's lock and not ours.
            self = .locked(
                path: path, holders: LockHolders.find(WriteLock.realPath(path) + "-shm", .writing),
                waitedMilliseconds: error.waitedMilliseconds)
        case 8: self = .readOnly(path: path)
        case 11: self = .corrupt(path: path, detail: error.message)
        // Our own statements on our own schema: what SQLite does not find or does not accept there is damage.
        case 1, 19: self = .corrupt(path: path, detail: error.message)
        case 9: self = .interrupted(done: 0)
        case 13: self = .diskFull(path: path)
        case 10 where error.systemError == ENOSPC || error.systemError == EDQUOT: self = .diskFull(path: path)
        // Where the file is there, it is the log that is not, and that cannot be made.
        case 14 where error.systemError == ENOENT:
            self = access(path, F_OK) == 0 ? .readOnly(path: path) : .notFound(path: path)
        case 14 where error.systemError == EROFS: self = .readOnly(path: path)
        case 14 where error.systemError != 0:
            self = .system(operation: "open", path: path, code: error.systemError)
        case 26: self = .notAStore(path: path, reason: "it is not an SQLite database, or no longer one")
        default: self = .sqlite(path: path, error)
        }
    }

    /// Runs `body` and turns what SQLite throws into a `StoreError`.
    static func mapping<Result>(_ path: String, _ body: () throws -> Result) throws(StoreError) -> Result {
        do {
            return try body()
        } catch {
            throw of(error, path: path)
        }
    }

    static func of(_ error: any Error, path: String) -> StoreError {
        switch error {
        case let error as StoreError: error
        case let error as SQLiteError: StoreError(error, path: path)
        default: .invalidArgument("\(error)")
        }
    }
}

extension StoreError: CustomStringConvertible {
    /// What is wrong, where, and what to do.
    public var description: String {
        switch self {
        case .notFound(let path):
            "\(path): no such store. Create one with 'kadstore init --db \(path)' or by importing into it."
        case .notAStore(let path, let reason):
            "\(path): not a kadstore file: \(reason). It was left as it is; name another file, or, if it was a store, "
                + "look with 'kadstore salvage --db \(path)' for what is left of it."
        case .emptyDatabase(let path):
            "\(path): an empty database, not yet a store. Make it one with 'kadstore init --db \(path)' or by importing."
        case .corrupt(let path, let detail):
            "\(path): the database is damaged (\(detail)). 'kadstore salvage --db \(path)' saves what can be read, and keeps "
                + "the damaged file beside it; a backup is put in its place with 'kadstore restore --force'."
        case .locked(let path, let holders, let waited):
            "\(path): another process is writing\(Self.named(holders)) (waited \(waited) ms). Try again when it is done."
        case .inUse(let path, let holders, let waited):
            "\(path): another program has it open\(Self.named(holders)), and this needs the file alone "
                + "(waited \(waited) ms). Stop the program, or wait until it is done."
        case .readOnly(let path):
            "\(path): cannot be written. Check the permissions of the file and of its folder."
        case .newerSchema(let path, let found, let supported):
            "\(path): written by a newer kadstore (schema \(found), this one knows up to \(supported)). "
                + "Update kadstore; the file was left as it is."
        case .olderSchema(let path, let found, let supported):
            "\(path): has schema \(found), this kadstore reads \(supported). "
                + "Upgrade it with 'kadstore migrate --db \(path)'."
        case .foreignMigration(let path, let version, let name):
            "\(path): its schema change \(version) ('\(name)') is not the one this kadstore has under that number: "
                + "the file comes from a modified version. It was left as it is."
        case .foreignSchema(let path, let detail):
            "\(path): its schema is not kadstore's: \(detail). Nothing of it was run. 'kadstore salvage --output NEW' "
                + "makes a store of its rows alone; do not trust the file if you do not know where that comes from."
        case .networkMismatch(let path, let expected, let found):
            "\(path): holds \(found), not \(expected). One file holds one network: use another --db."
        case .diskFull(let path):
            "\(path): no room left on the device. What was committed before stays, nothing else was written. "
                + "Free some space and run it again."
        case .backlog(let limit):
            "\(limit) writes are waiting already. Wait for the store to catch up, or drop this one."
        case .notEmpty(let path):
            "\(path): has peers already. Restore into a new file; 'kadstore restore --force' replaces a store by a backup."
        case .exists(let path):
            "\(path): is there already. Name another file, or replace it with --force."
        case .notReplaceable(let path, let reason):
            "\(path): cannot be replaced: \(reason). Name another file."
        case .unsound(let path, let problems, let first):
            "\(path): \(problems == 1 ? "1 problem" : "\(problems) problems"), the first: \(first). "
                + "'kadstore check --full' names them."
        case .closed: "The store has been closed."
        case .invalidArgument(let reason): reason
        case .invalidRecord(let reason): reason
        case .tooLarge(let what, let bytes, let limit):
            "\(what) of \(bytes) bytes is too large: \(limit) are kept at most."
        case .interrupted(let done): "Interrupted after \(done) records. Run the same command again to go on."
        case .system(let operation, let path, let code):
            "\(path): cannot \(operation): \(String(cString: strerror(code)))."
        case .sqlite(let path, let error): "\(path): \(error)"
        }
    }

    private static func named(_ holders: [Int32]) -> String {
        holders.isEmpty ? "" : " (process \(holders.map { "\($0)" }.joined(separator: ", ")))"
    }
}
