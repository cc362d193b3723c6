import KadStore
import Multiformats

/// What became of a file.
public struct ImportReport: Hashable, Sendable {
    public let name: String
    public let format: ExchangeFormat
    public let network: Network
    public let isDryRun: Bool
    /// Records that were read, the rejected ones included.
    public var records = 0
    /// Records that were handed to the store: peers and candidates.
    public var taken = 0
    /// Records that the filter left out: no rejections.
    public var filtered = 0
    /// Whether addresses without an id were among them.
    var hasCandidates = false
    /// What they changed.
    public var summary = BulkSummary()
    /// Rejected records by reason.
    public var rejected: [RejectionReason.Kind: Int] = [:]
    /// The first of them.
    public var rejections: [Rejection] = []
    /// Addresses that the store's scope does not admit, or that have port 0, left out of records that were taken.
    public var unroutableAddresses = 0
    /// Addresses over the limit of one peer (``AddressRecord/maximumPerPeer``).
    public var surplusAddresses = 0
    /// Records of our own identities, or of the node that wrote the file.
    public var ownRecords = 0
    /// Stamps in the future, or before 1970: taken for unknown.
    public var impossibleStamps = 0
    /// The ids of the node that wrote the file, the first few.
    public var localIDs: [PeerID] = []
    /// What else there is to say, and how often.
    public var notes: [ImportNote: Int] = [:]
    /// What ended the reading early, or is wrong with the file as a whole. What was read before it has been taken.
    public var fault: ImportFault?

    init(name: String, format: ExchangeFormat, network: Network, isDryRun: Bool) {
        self.name = name
        self.format = format
        self.network = network
        self.isDryRun = isDryRun
    }

    /// Rejected records in all.
    public var rejectedCount: Int { rejected.values.reduce(0, +) }

    /// Whether everything in the file was taken.
    public var isComplete: Bool { rejected.isEmpty && fault == nil && summary.damagedPeers == 0 }

    static let localIDLimit = 16
    /// Different notes that are kept: a file could make up any number of names.
    static let noteLimit = 64

    mutating func add(_ note: ImportNote) {
        if notes.count < Self.noteLimit || notes[note] != nil { notes[note, default: 0] += 1 }
    }

    mutating func add(_ rejection: Rejection, limit: Int) {
        rejected[rejection.reason.kind, default: 0] += 1
        guard rejections.count < limit else { return }
        var shown = rejection
        shown.bytes = nil
        rejections.append(shown)
    }
}
