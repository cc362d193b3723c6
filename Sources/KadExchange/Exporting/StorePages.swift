import Dispatch
import KadStore
import Kademlia
import Multiformats

/// The pages of a store. The next page of peers is read on another thread while this one is being used: both take about
/// equally long.
///
/// A page is one short read; however long the output keeps the writing thread waiting, no read transaction stays open.
final class StorePages: RecordPages {
    /// A page that is being read on the other thread.
    private final class Reading: @unchecked Sendable {
        let isDone = DispatchSemaphore(value: 0)
        /// Written before the semaphore is signalled, read after it was waited for.
        var outcome: Result<PeerPage, StoreError>?
    }

    private let store: Store
    private let filter: PeerFilter
    private let queue = DispatchQueue(label: "kadstore.exchange.pages")
    private var reading: Reading?
    private var isStarted = false
    private var isAtEnd = false
    /// Where the last page of candidates ended, if there was one; nil inside when it was the last.
    private var lastCandidate: Multiaddr??

    /// - Parameter filter: with anything but ``PeerFilter/all`` there are no candidates.
    init(_ store: Store, filter: PeerFilter) {
        self.store = store
        self.filter = filter
    }

    func nextPeers() throws(ExchangeError) -> RecordPage<PeerRecord>? {
        guard !isAtEnd else { return nil }
        if !isStarted {
            isStarted = true
            request(after: nil)
        }
        let page = try ExchangeError.mapping { () throws(StoreError) in try take() }
        if let last = page?.next { request(after: last) } else { isAtEnd = true }
        return page.map { RecordPage(records: $0.peers, damaged: $0.damaged.count) }
    }

    func nextCandidates() throws(ExchangeError) -> RecordPage<Candidate>? {
        if case .some(nil) = lastCandidate { return nil }
        guard filter == .all else { return nil }
        let page = try ExchangeError.mapping { () throws(StoreError) in
            try store.candidates(after: lastCandidate ?? nil)
        }
        lastCandidate = .some(page.next)
        return RecordPage(records: page.candidates, damaged: page.damaged)
    }

    /// Begins to read the page after `last`.
    private func request(after last: Key?) {
        let reading = Reading()
        self.reading = reading
        queue.async { [store, filter] in
            do throws(StoreError) {
                reading.outcome = .success(try store.peers(after: last, where: filter))
            } catch {
                reading.outcome = .failure(error)
            }
            reading.isDone.signal()
        }
    }

    /// Waits for the page that was requested.
    private func take() throws(StoreError) -> PeerPage? {
        guard let reading else { return nil }
        reading.isDone.wait()
        self.reading = nil
        return try reading.outcome?.get()
    }

    /// Whoever stops early waits for the page that nobody will use: a connection that still reads would keep the store's
    /// log from being tidied away when it is closed.
    deinit { reading?.isDone.wait() }
}
