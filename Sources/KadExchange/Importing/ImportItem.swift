import KadStore
import Kademlia
import Multiformats

/// What a reader finds in a file, piece by piece.
enum ImportItem {
    /// A peer; `key` is the hash of its id where the file gives one.
    case peer(ImportedPeer, key: Key?, at: Place)
    /// An address without an id.
    case candidate(Multiaddr, firstSeen: Instant?, lastSeen: Instant?, at: Place)
    case rejected(Rejection)
    /// The id of the node that wrote the file: not a peer.
    case localID(PeerID)
    case note(ImportNote)
    /// The rest cannot be read. The last item.
    case fault(ImportFault)
}

/// Something about a file that is worth saying and is no fault of a record.
public enum ImportNote: Hashable, Sendable {
    /// A failure with a name that stands for none of the failure classes: it was left out, the record was taken.
    case unknownFailure(String)
    /// The writer did not dial the peer, and says why by this name: no failure.
    case notDialled(String)
    /// A record had addresses that could not be read; it was taken with the others.
    case unreadableAddress
    /// The address of a connection that the peer opened: left out, where nobody listens at it.
    case inboundAddress
    /// Records of this kind are taken by a restore only.
    case restoreOnly(String)
    /// The file's checksum and counts are right.
    case verified
}

/// Reads one format. One reader reads one file, from its beginning, on one thread.
///
/// A bad record is an item like any other, and reading goes on behind it. What makes the rest unreadable is the last item.
/// Thrown is only what keeps the whole file from being read: the operating system, or another network.
protocol FormatReader: AnyObject {
    /// The next piece; nil at the end.
    func next() throws(ExchangeError) -> ImportItem?

    /// The beginning of the record that was returned last, as it stands in the file; nil where it is not at hand.
    func record(limit: Int) -> [UInt8]?
}

extension FormatReader {
    func record(limit: Int) -> [UInt8]? { nil }
}
