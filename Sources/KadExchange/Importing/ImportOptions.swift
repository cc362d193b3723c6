import KadStore
import Kademlia

/// How an import or a conversion treats what it reads.
public struct ImportOptions: Sendable {
    /// Counts what would change, and changes nothing.
    public var isDryRun = false
    /// Whether foreign successes (last ok, round-trip times, counters) count as our own.
    public var trustsHistory = false
    /// Whether anything but ids and addresses is taken: no stamps, counters, failures, round-trip times, agents or
    /// protocols when false.
    public var takesHistory = true
    /// Which records are taken. Asked of each record as the file states it, its own successes, waits and sources included;
    /// one that names no source has ours (``source``), one without stamps counts as heard of now. With anything but
    /// ``PeerFilter/all``, addresses without an id are left out.
    public var filter = PeerFilter.all
    /// Keeps addresses that the store's scope does not admit.
    public var allowsUnroutable = false
    /// Who told of the peers; nil for `file:` and the file's name. What a file says of its own sources is not taken.
    public var source: String?
    /// The time of the import.
    public var now: Instant
    /// How many rejections the report shows one by one; all are counted.
    public var rejectionLimit = 20
    /// Told of every rejection, as it happens, on the thread that reads.
    public var onRejection: (@Sendable (Rejection) -> Void)?
    /// Told how far the import is, a few times a second at most on large files.
    public var onProgress: (@Sendable (ImportProgress) -> Void)?

    public init(now: Instant = .systemClock()) { self.now = now }
}

/// How far an import is.
public enum ImportProgress: Hashable, Sendable {
    /// Records and bytes that have been read, and the bytes there are; nil for pipes.
    case reading(records: Int, bytes: Int64, of: Int64?)
    /// Records that have been merged into the store, of those that were taken.
    case writing(records: Int, of: Int)
}
