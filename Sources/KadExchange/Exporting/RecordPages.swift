import KadStore
import Kademlia

/// Where peers and candidates come from, page by page: a store, or files that were sorted.
///
/// First all peers, in key order, then all candidates, in the order of their addresses. Used by one thread.
protocol RecordPages: AnyObject {
    /// The next peers; nil at the end. A page may be empty although more follow.
    func nextPeers() throws(ExchangeError) -> RecordPage<PeerRecord>?
    /// The next candidates; nil at the end. A page may be empty although more follow.
    func nextCandidates() throws(ExchangeError) -> RecordPage<Candidate>?
}

struct RecordPage<Record> {
    var records: [Record] = []
    /// Records of this range that cannot be read.
    var damaged = 0
}

/// The pages of sorted foreign records.
final class SortedPages: RecordPages {
    private let records: RecordSorter

    init(_ records: RecordSorter) { self.records = records }

    func nextPeers() throws(ExchangeError) -> RecordPage<PeerRecord>? {
        let peers = try ExchangeError.mapping { () throws(StoreError) in try records.nextPeers() }
        return peers.isEmpty ? nil : RecordPage(records: peers)
    }

    func nextCandidates() throws(ExchangeError) -> RecordPage<Candidate>? {
        let candidates = try ExchangeError.mapping { () throws(StoreError) in try records.nextCandidates() }
        return candidates.isEmpty ? nil : RecordPage(records: candidates)
    }
}
