import Dispatch
import Kademlia

/// How a damaged store is salvaged.
public struct SalvageOptions: Sendable {
    /// Where the sound store goes, which is not there yet; the damaged one is then left as it is. Nil: in its place.
    public var output: String?
    /// Finds out what could be saved, and writes nothing that stays.
    public var isDryRun = false
    /// The network, where the file does not tell any more. What it does tell counts.
    public var network: Network?
    /// Likewise the scope.
    public var scope: Scope?
    /// How long to wait for others to close the file, in milliseconds.
    public var waitMilliseconds = 5_000
    /// The wall clock.
    public var now: @Sendable () -> Instant = Instant.systemClock
    /// Called now and then, on a thread of its own: pages that were read, then peers of the result that were checked.
    public var onProgress: (@Sendable (BackupProgress) -> Void)?
    /// Called for each row that is lost, on that thread.
    public var onLost: (@Sendable (LostRow) -> Void)?

    /// Whether a log with a damaged page in its middle is a reason: a loss of power leaves such a one beside a sound store.
    public var looksBehindLog = true

    public init() {}
}

extension Store {
    /// Makes a sound store of what can be read of a damaged one. Of a sound one it says so, and changes nothing.
    ///
    /// SQLite is not asked what a damaged file holds. Its pages are read one by one, the log's where finished commits have
    /// put them there: first down the tree of each table, as far as it leads; then, of what no tree leads to and is not free,
    /// pages whose rows can be of one table alone. A row is taken over when its seal and everything that a check looks for is
    /// right; where it is there twice, the copy in the tree stays. Every row that is left out is counted, with the reason.
    ///
    /// A file of an older schema is read as such, and becomes a store of the current one. Before schema 4 rows had no seals:
    /// there a byte that was changed is noticed where it says what cannot be.
    ///
    /// The result is checked to the last row before it takes the damaged file's place, in one transaction. Before, the
    /// damaged file and its log are copied to `<file>.corrupt-<UTC time>`, on the medium: they are always somewhere. Cut off
    /// at any moment, the place holds what it held, or the result.
    ///
    /// - Throws: ``StoreError``: `inUse` when anyone has the file open, in any program; `notAStore` for a file that shows no
    ///   sign of having been a store, `newerSchema`; `exists` for the output; `invalidArgument` where the network is lost and
    ///   was not named; `diskFull`; `interrupted` when the task is cancelled before the last moment: nothing has
    ///   changed then.
    /// - Complexity: O(n), in time and, up to three times, in room on the device; a few MiB of memory and SQLite's cache.
    public static func salvage(
        _ path: String, _ options: SalvageOptions = SalvageOptions()
    ) async throws(StoreError) -> SalvageReport {
        let queue = DispatchQueue(label: "kadstore.salvage.\(path)")
        return try await Cancellation.run(on: queue, path: path) { cancellation in
            try Salvaging(path: path, options: options, cancellation: cancellation).run()
        }
    }
}
