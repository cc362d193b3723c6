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
        /// Events of neither peers nor candidates: buckets, time, the outage guard's witnesses, lookups.
        var others: [Queued] = []

        var isEmpty: Bool { byPeer.isEmpty && byCandidate.isEmpty && others.isEmpty }
    }

    private struct State {
        var queue: [Queued] = []
        var snapshot = Snapshot()
        var lastSequence: Int64 = 0
        var isClosed = false
    }

    /// The most events that wait: about 16 s of the busiest node that was measured.
    let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// - Returns: how many events are waiting now.
    func enqueue(_ event: StoreEvent) throws(StoreError) -> Int {
        let count: Int? = try state.withLock { (state) throws(StoreError) -> Int? in
            guard !state.isClosed else { throw .closed }
            guard state.queue.count < limit else { return nil }
            state.lastSequence += 1
            let queued = Queued(sequence: state.lastSequence, event: event)
            state.queue.append(queued)
            if let key = event.key {
                state.snapshot.byPeer[key, default: []].append(queued)
            } else if let address = event.candidate {
                state.snapshot.byCandidate[address, default: []].append(queued)
            } else {
                state.snapshot.others.append(queued)
            }
            return state.queue.count
        }
        guard let count else { throw .backlog(limit: limit) }
        return count
    }

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
            for queued in done {
                if let key = queued.event.key {
                    Self.drop(&state.snapshot.byPeer, key, sequence)
                } else if let address = queued.event.candidate {
                    Self.drop(&state.snapshot.byCandidate, address, sequence)
                }
            }
            state.snapshot.others.removeAll { $0.sequence <= sequence }
            state.queue.removeFirst(done.count)
        }
    }

    /// Takes nothing more, and lets nobody read.
    func close() { state.withLock { $0.isClosed = true } }

    /// After a close that failed.
    func reopen() { state.withLock { $0.isClosed = false } }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    private static func drop<Name: Hashable>(_ map: inout [Name: [Queued]], _ name: Name, _ sequence: Int64) {
        guard let index = map.index(forKey: name) else { return }
        map.values[index].removeAll { $0.sequence <= sequence }
        if map.values[index].isEmpty { map.remove(at: index) }
    }
}
