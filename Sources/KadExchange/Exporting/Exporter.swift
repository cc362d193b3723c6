import KadStore
import Kademlia

/// What an export writes.
public struct ExportOptions: Sendable {
    public var format = ExchangeFormat.native
    /// Which peers. Anything but ``PeerFilter/all`` writes peers only: no candidates, and none of the tables that a full
    /// copy has besides.
    public var filter = PeerFilter.all
    /// Told now and then of how many peers have been written.
    public var onProgress: (@Sendable (Int) -> Void)?

    public init() {}
}

/// What an export wrote.
public struct ExportReport: Hashable, Sendable {
    public let format: ExchangeFormat
    public internal(set) var peers = 0
    public internal(set) var candidates = 0
    public internal(set) var tombstones = 0
    public internal(set) var identities = 0
    public internal(set) var buckets = 0
    /// Records that the format could not express, or that are more than its programs read.
    public internal(set) var leftOut = 0
    /// Peers whose rows are damaged, and so not in the output.
    public internal(set) var damaged = 0
    /// Candidates and tombstones of which the same is true; tombstones where the format carries them.
    public internal(set) var damagedCandidates = 0
    public internal(set) var damagedTombstones = 0
    public internal(set) var bytes: Int64 = 0
}

extension Store {
    /// Writes peers to a file, or to standard output for `-`. A file appears whole or not at all.
    ///
    /// Peers are read in pages, one short read each, one page ahead of what is written: the log is never pinned, memory
    /// does not depend on the number of peers, and what changes meanwhile is written or not. The same store gives the same
    /// bytes.
    ///
    /// - Throws: ``ExchangeError``: the format does not carry the network or is only read, the output cannot be written.
    public func exportPeers(
        to path: String, _ options: ExportOptions = ExportOptions()
    ) async throws(ExchangeError) -> ExportReport {
        guard options.format.carries(network) else {
            throw .networkNotCarried(format: options.format, network: network.name)
        }
        return try await withOwnThread { [self] cancellation throws(ExchangeError) in
            let (clock, identities) = try ExchangeError.mapping { () throws(StoreError) in
                options.filter == .all ? (try self.clock(), try self.identities()) : (nil, [])
            }
            let context = ExportContext(
                network: network, scope: scope, clock: clock, identity: identities.count == 1 ? identities[0] : nil)
            var file = try OutputFile(path: path)
            var run = try ExportRun(
                StorePages(self, filter: options.filter), options.format, context, file.sink, cancellation)
            run.onProgress = options.onProgress
            try run.write(tables: options.filter == .all ? self : nil)
            try file.commit()
            run.report.bytes = file.sink.count
            return run.report
        }
    }
}
