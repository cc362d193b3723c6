import KadStore
import Kademlia

/// Where peers and candidates come from, page by page: a store, or files that were sorted.
///
/// First all peers, in key order, then all candidates, in the order of their addresses. Used by one thread.
protocol RecordPages: AnyObject {
    /// The next peers; nil at the end. A page may be empty although more follow.
    func nextPeers() throws(ExchangeError) -> RecordPage?
    /// The next candidates; none at the end.
    func nextCandidates() throws(ExchangeError) -> [Candidate]
}

struct RecordPage {
    var peers: [PeerRecord]
    /// Peers of this range that cannot be read.
    var damaged = 0
}

/// The pages of sorted foreign records.
final class SortedPages: RecordPages {
    private let records: RecordSorter

    init(_ records: RecordSorter) { self.records = records }

    func nextPeers() throws(ExchangeError) -> RecordPage? {
        let peers = try ExchangeError.mapping { () throws(StoreError) in try records.nextPeers() }
        return peers.isEmpty ? nil : RecordPage(peers: peers)
    }

    func nextCandidates() throws(ExchangeError) -> [Candidate] {
        try ExchangeError.mapping { () throws(StoreError) in try records.nextCandidates() }
    }
}
