import Kademlia
import Multiformats
import Synchronization

/// Writes that have returned to their callers and are not in the database yet.
///
/// Readers see them: they take a copy-on-write snapshot (free, because readers are short and rarely hold it while
/// the next event arrives), then open their view of the database, then skip what that view holds already. The
/// writer stores the sequence number of the last applied event in the same transaction, so each event is seen exactly once,
/// without readers and writer ever waiting for each other.
final class PendingWrites: Sendable {
    struct Queued: Sendable {
        let sequence: Int64
        let event: StoreEvent
    }

    struct Snapshot: Sendable {
        var byPeer: [Key: [Queued]] = [:]
        var byCandidate: [Multiaddr: [Queued]] = [:]
        /// Events of values and providers, by their keys.
        var byValueKey: [[UInt8]: [Queued]] = [:]
        /// What crawls found of peers.
        var visits: [Key: [Queued]] = [:]
        /// Events of none of these: buckets, time, the outage guard's witnesses, lookups.
        var others: [Queued] = []

        mutating func add(_ queued: Queued) {
            let event = queued.event
            if let key = event.key {
                byPeer[key, default: []].append(queued)
            } else if let address = event.candidate {
                byCandidate[address, default: []].append(queued)
            } else if let key = event.valueKey {
                byValueKey[key, default: []].append(queued)
            } else if case .visited(let key, _, _, _) = event {
                visits[key, default: []].append(queued)
            } else {
                others.append(queued)
            }
        }

        /// Takes away what is committed of the things that `done` is of.
        mutating func remove(_ done: ArraySlice<Queued>, through sequence: Int64) {
            for event in done.lazy.map(\.event) {
                if let key = event.key {
                    PendingWrites.drop(&byPeer, key, sequence)
                } else if let address = event.candidate {
                    PendingWrites.drop(&byCandidate, address, sequence)
                } else if let key = event.valueKey {
                    PendingWrites.drop(&byValueKey, key, sequence)
                } else if case .visited(let key, _, _, _) = event {
                    PendingWrites.drop(&visits, key, sequence)
                }
            }
            others.removeAll { $0.sequence <= sequence }
        }
    }

    private struct State {
        var queue: [Queued] = []
        var snapshot = Snapshot()
        /// Of the values and addresses among them.
        var bytes = 0
        var lastSequence: Int64 = 0
        var isClosed = false
    }

    /// The most events that wait: about 16 s of the busiest node that was measured.
    let limit: Int
    private let state = Mutex(State())

    /// The most bytes of values that wait: unlike other events, one may have a MiB.
    let byteLimit: Int

    init(limit: Int, byteLimit: Int) {
        self.limit = limit
        self.byteLimit = byteLimit
    }

    /// - Returns: how many events are waiting now, and the bytes of the values among them.
    func enqueue(_ event: StoreEvent) throws(StoreError) -> (count: Int, bytes: Int) {
        try state.withLock { (state) throws(StoreError) -> (count: Int, bytes: Int) in
            guard !state.isClosed else { throw .closed }
            let weight = event.weight
            guard state.queue.count < limit, weight == 0 || state.bytes < byteLimit else {
                throw .backlog(limit: min(limit, state.queue.count))
            }
            state.lastSequence += 1
            let queued = Queued(sequence: state.lastSequence, event: event)
            state.queue.append(queued)
            state.bytes += weight
            state.snapshot.add(queued)
            return (state.queue.count, state.bytes)
        }
    }

    /// Events that were taken so far.
    var recordedCount: Int64 { state.withLock { $0.lastSequence } }

    /// What readers must add to the database, or nil when there is nothing.
    func snapshot() throws(StoreError) -> Snapshot? {
        try state.withLock { (state) throws(StoreError) -> Snapshot? in
            guard !state.isClosed else { throw .closed }
            return state.queue.isEmpty ? nil : state.snapshot
        }
    }

    /// Everything that waits, oldest first, for the writer.
    func waiting() -> [Queued] { state.withLock { $0.queue } }

    /// Forgets what a commit has made permanent.
    func committed(through sequence: Int64) {
        state.withLock { state in
            let done = state.queue.prefix { $0.sequence <= sequence }
            state.snapshot.remove(done, through: sequence)
            state.bytes -= done.reduce(0) { $0 + $1.event.weight }
            state.queue.removeFirst(done.count)
        }
    }

    /// Takes nothing more, and lets nobody read.
    func close() { state.withLock { $0.isClosed = true } }

    /// After a close that failed.
    func reopen() { state.withLock { $0.isClosed = false } }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    fileprivate static func drop<Name: Hashable>(_ map: inout [Name: [Queued]], _ name: Name, _ sequence: Int64) {
        guard let index = map.index(forKey: name) else { return }
        map.values[index].removeAll { $0.sequence <= sequence }
        if map.values[index].isEmpty { map.remove(at: index) }
    }
}
