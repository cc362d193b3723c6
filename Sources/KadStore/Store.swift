import Crypto
import Dispatch
import Kademlia
import Multiformats
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A persistent Kademlia routing table: one file, one network, every peer that was ever met.
///
/// Reads are synchronous, run on connections of their own, never wait for a writer, and see every write that returned
/// before them. Writes only enqueue; they are committed together, at the latest after a second, 256 events or 4 MiB of
/// values. What a commit has taken survives a killed process; what ``flush()`` has confirmed survives a loss of power.
/// Without it, a killed process loses what came since the last commit (more than that second or those 256 events only
/// while commits must wait for another process or for room), a loss of power at most the last 30 seconds.
///
/// Usable from any number of tasks and threads at once.
public final class Store: Sendable {
    /// The file.
    public let path: String
    /// What the file holds.
    public let network: Network
    /// Which addresses it admits.
    public let scope: Scope
    /// When it was made.
    public let createdAt: Instant
    /// The bound on peers that a running node learns. Imports raise it to what they bring, ``raisePeerCap(to:)`` to what it
    /// is told.
    public var peerCap: Int64 { cap.value }
    /// The schema that the file had before, when opening it has upgraded it.
    public let upgradedFrom: Int?
    /// The copy of the log that was made before anything was written, since a page in its middle was damaged: what was
    /// committed behind that is not in the store. Nil where nothing was wrong with the log.
    public let keptLog: String?

    let options: StoreOptions
    let readers: ReaderPool
    /// Nil when opened for reading.
    let writer: Writer?
    let pending: PendingWrites
    private let cap: PeerCap
    /// The file's secret: what it is mixed into, it does not leave.
    let salt: SymmetricKey
    /// Where long reads run.
    let maintenance: DispatchQueue
    private let keys: Mutex<KeyCache>

    /// The default of ``peerCap``.
    public static let defaultPeerCap: Int64 = 65_536

    private init(_ opened: Opened, options: StoreOptions) {
        path = opened.path
        network = opened.header.network
        scope = opened.header.scope
        createdAt = opened.header.createdAt
        cap = opened.header.peerCap
        upgradedFrom = opened.header.upgradedFrom
        keptLog = opened.header.keptLog
        salt = opened.header.salt
        readers = opened.readers
        writer = opened.writer
        pending = opened.pending
        self.options = options
        maintenance = DispatchQueue(label: "kadstore.maintenance.\(opened.path)", qos: .utility)
        keys = Mutex(KeyCache(limit: options.keyCacheCount))
    }

    deinit {
        // Forgotten to be closed: what is queued is still written.
        guard let writer else { return }
        writer.queue.async { try? writer.close() }
    }

    /// Opens a store on its own queue, not on the caller's thread.
    ///
    /// A file of an older schema is upgraded when it is opened for writing, where that rewrites no data
    /// (``migrate(_:_:)`` makes a backup first). It then has to be had alone: while another process, or another `Store`
    /// of this one, has it open, opening waits for ``StoreOptions/waitMilliseconds`` and throws `inUse`.
    ///
    /// - Throws: ``StoreError``: `notFound`, `notAStore`, `corrupt`, `emptyDatabase`, `locked`, `readOnly`, `newerSchema`;
    ///   `olderSchema` when it is opened for reading, or its data would be rewritten; `inUse` when it cannot be upgraded
    ///   now; `foreignMigration`; `networkMismatch` in mode ``OpenMode/create(_:_:)``.
    public static func open(
        _ path: String, mode: OpenMode = .readWrite, options: StoreOptions = StoreOptions()
    ) async throws(StoreError) -> Store {
        let queue = DispatchQueue(label: "kadstore.\(path)")
        let outcome: Result<Opened, StoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(StoreError) {
                    continuation.resume(returning: .success(try Opened(path, mode, options, queue)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return Store(try outcome.get(), options: options)
    }

    // MARK: Peers and keys

    /// A peer by its id. Its key is computed when the id is met for the first time; ids that were met lately are
    /// remembered (``StoreOptions/keyCacheCount``), and peers that a read returns carry their stored keys.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` when the id is none of this network.
    public func peer(_ id: PeerID) throws(StoreError) -> Peer {
        if let key = keys.withLock({ $0[id] }) { return Peer(id: id, key: key) }
        options.onHash?()
        let key = try network.key(of: id)
        keys.withLock { $0[id] = key }
        return Peer(id: id, key: key)
    }

    // MARK: Writing

    /// Queues an observation or decision. Returns at once; every later read sees it. Events of a peer whose row is damaged
    /// are dropped when their batch is written: the row stays as it is, and ``check(full:progress:)`` names it.
    ///
    /// - Throws: ``StoreError/backlog(limit:)`` when too many wait already, ``StoreError/readOnly(path:)``,
    ///   ``StoreError/closed``, ``StoreError/invalidArgument(_:)`` for an event that no table can hold,
    ///   ``StoreError/tooLarge(what:bytes:limit:)`` for a key or value beyond the limits of ``StoredValue``.
    public func record(_ event: StoreEvent) throws(StoreError) {
        guard let writer else { throw .readOnly(path: path) }
        // Refused here: in the queue it would keep everything behind it from being written.
        if let reason = event.fault(in: network) { throw .invalidArgument(reason) }
        if let error = event.excess { throw error }
        let waiting = try pending.enqueue(event)
        writer.schedule(count: waiting.count, bytes: waiting.bytes)
    }

    /// Why recorded events could not be written when that was last tried (``StoreError/diskFull(path:)``,
    /// ``StoreError/locked(path:waitedMilliseconds:)``); nil where it went well. They stay queued, and are tried again.
    public var commitFault: StoreError? { writer?.commitFault }

    /// Waits until everything that was recorded before is on the medium: it then survives a loss of power.
    public func flush() async throws(StoreError) {
        guard let writer else { return }
        try await writer.perform { try $0.flush() }
    }

    /// Events that were recorded since the store was opened.
    package var recordedCount: Int64 { pending.recordedCount }

    /// Writes what was recorded before without waiting for the medium: a simulation's commits come at moments of its own.
    package func commit() async throws(StoreError) {
        guard let writer else { return }
        _ = try await writer.perform { try $0.commitPending() }
    }

    /// Writes what is queued and closes the file. Later calls throw ``StoreError/closed``.
    public func close() async throws(StoreError) {
        if let writer {
            try await writer.perform { [readers] in try $0.close(readers.close) }
        } else {
            pending.close()
            readers.close()
        }
    }

    // MARK: Reading

    /// Runs `body` in one consistent view.
    func read<Result>(_ body: (ReadView) throws -> Result) throws(StoreError) -> Result {
        let token = writer?.token ?? 0
        return try readers.withReader { reader in
            try ReadView.with(reader, pending: pending, token: token, body)
        }
    }
}

/// How a store is opened.
public enum OpenMode: Hashable, Sendable {
    /// An existing file.
    case readWrite
    /// An existing file, never written to; other processes may write it meanwhile.
    case readOnly
    /// An existing file of this network and scope, or a new one.
    case create(Network, Scope)
}

/// Settings that are of one opening, not of the file.
public struct StoreOptions: Sendable {
    /// A batch is written when this many events wait…
    public var batchCount = 256
    /// …or when the first of them has waited for this long, in milliseconds.
    public var batchMilliseconds = 1_000
    /// The most events that may wait: beyond it ``Store/record(_:)`` refuses.
    public var queueLimit = 16_384
    /// A batch is also written when the values that wait have this many bytes: a hundred of a usual size, four of the
    /// largest…
    public var batchBytes = 4 << 20
    /// …and beyond so many bytes of values ``Store/record(_:)`` refuses further ones.
    public var queueBytes = 64 << 20
    /// How often commits are synced to the medium, in milliseconds: the most that a loss of power takes.
    public var syncMilliseconds = 30_000
    /// How long to wait for another process's write lock, in milliseconds; 0 asks once.
    public var waitMilliseconds = 5_000
    /// For ``OpenMode/readOnly``: also leave what SQLite makes beside the file to read it. Without it, whoever is the last to
    /// close a store removes that, unless there was a log when it was opened: a log is left as it is.
    public var leavesFilesAlone = false
    /// The log is copied into the database file when it holds this many pages of 4 KiB.
    public var checkpointFrames = 4_096
    /// How much is kept for others.
    public var holdingLimits = HoldingLimits()
    /// The page cache of each connection. At 10^7 peers 2 MiB cost 40 % against 64 MiB.
    public var cacheKibibytes = 65_536
    /// Read connections that stay open.
    public var readerCount = 2
    /// Ids whose keys are remembered.
    public var keyCacheCount = 65_536
    /// The salt of a store that is created; nil draws it from the system. For simulations: a salt that others know is none.
    package var salt: [UInt8]?
    /// The wall clock.
    public var now: @Sendable () -> Instant = Instant.systemClock
    /// Called when a key is computed from an id: tests count it.
    var onHash: (@Sendable () -> Void)?

    public init() {}
}

extension Instant {
    /// The system's wall clock.
    @Sendable
    public static func systemClock() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

/// Ids and their keys, two generations: when the younger is full it becomes the older one. Lookups touch both; memory is
/// bounded by twice the limit, and nothing is ever sorted.
struct KeyCache {
    private let limit: Int
    private var young: [PeerID: Key] = [:]
    private var old: [PeerID: Key] = [:]

    init(limit: Int) { self.limit = max(1, limit / 2) }

    subscript(id: PeerID) -> Key? {
        mutating get {
            if let key = young[id] { return key }
            guard let key = old[id] else { return nil }
            self[id] = key
            return key
        }
        set {
            if young.count >= limit {
                old = young
                young = [:]
            }
            // The id may be a slice of a whole page of rows: keep its bytes alone.
            young[PeerID(Array(id.bytes)) ?? id] = newValue
        }
    }
}
