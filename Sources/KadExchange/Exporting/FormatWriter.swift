import KadStore
import Kademlia

/// What a writer knows before the first record.
struct ExportContext {
    let network: Network
    let scope: Scope
    let clock: ClockMark?
    /// The local node that the peers are known to, where there is exactly one.
    var identity: Identity? = nil
}

/// Writes one format. One writer writes one file, in the order of these methods.
///
/// Peers come in key order, candidates in the order of their addresses, tombstones in key order, identities by number,
/// each identity's buckets by index, held failures in key order, sessions and lookups oldest first.
protocol FormatWriter: AnyObject {
    /// Whether it wants more than peers and candidates.
    var carriesTables: Bool { get }
    /// Records that the format could not express, or that are more than its programs read.
    var leftOut: Int { get }

    func begin(_ output: inout [UInt8])
    func append(_ peer: PeerRecord, to output: inout [UInt8])
    func append(_ candidate: Candidate, to output: inout [UInt8])
    func append(_ tombstone: Tombstone, to output: inout [UInt8])
    func append(_ identity: Identity, to output: inout [UInt8])
    func append(_ bucket: BucketSnapshot, identity: Identity, to output: inout [UInt8])
    func append(_ held: OutageGuard.Held, to output: inout [UInt8])
    func append(_ witnesses: [OutageGuard.Witness], canaryAt: Instant?, to output: inout [UInt8])
    func append(_ session: OnlineTime.Session, to output: inout [UInt8])
    func append(_ lookups: LookupHistory, to output: inout [UInt8])
    func end(_ output: inout [UInt8])
}

extension FormatWriter {
    var carriesTables: Bool { false }
    var leftOut: Int { 0 }

    func begin(_ output: inout [UInt8]) {}
    func append(_ tombstone: Tombstone, to output: inout [UInt8]) {}
    func append(_ identity: Identity, to output: inout [UInt8]) {}
    func append(_ bucket: BucketSnapshot, identity: Identity, to output: inout [UInt8]) {}
    func append(_ held: OutageGuard.Held, to output: inout [UInt8]) {}
    func append(_ witnesses: [OutageGuard.Witness], canaryAt: Instant?, to output: inout [UInt8]) {}
    func append(_ session: OnlineTime.Session, to output: inout [UInt8]) {}
    func append(_ lookups: LookupHistory, to output: inout [UInt8]) {}
    func end(_ output: inout [UInt8]) {}
}
