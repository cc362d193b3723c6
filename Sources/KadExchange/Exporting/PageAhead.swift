import Dispatch
import KadStore
import Kademlia

/// Reads the next page of peers on another thread while this one is being written: both take about equally long.
///
/// Used by one thread, which alternates `request` and `take`. A page is one short read; however long the output keeps the
/// writing thread waiting, no read transaction stays open.
final class PageAhead: @unchecked Sendable {
    private let store: Store
    private let filter: PeerFilter
    private let queue = DispatchQueue(label: "kadstore.exchange.pages")
    private let isRead = DispatchSemaphore(value: 0)
    /// Written before the semaphore is signalled, read after it was waited for.
    private var outcome: Result<PeerPage, StoreError>?

    init(_ store: Store, filter: PeerFilter) {
        self.store = store
        self.filter = filter
    }

    /// Begins to read the page after `last`.
    func request(after last: Key?) {
        queue.async { [self] in
            do throws(StoreError) {
                outcome = .success(try store.peers(after: last, where: filter))
            } catch {
                outcome = .failure(error)
            }
            isRead.signal()
        }
    }

    /// Waits for the page that was requested; nil when none was.
    func take() throws(StoreError) -> PeerPage? {
        isRead.wait()
        defer { outcome = nil }
        return try outcome?.get()
    }
}
