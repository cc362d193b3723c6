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
            guard let writer = options.format.codec.writer(context) else {
                throw .unsupported(name: options.format.name, reason: "this format is only read, not written.")
            }
            var file = try OutputFile(path: path)
            var run = ExportRun(
                store: self, options: options, writer: writer, sink: file.sink, cancellation: cancellation,
                report: ExportReport(format: options.format))
            try run.write()
            try file.commit()
            run.report.bytes = file.sink.count
            return run.report
        }
    }
}

private struct ExportRun {
    let store: Store
    let options: ExportOptions
    let writer: any FormatWriter
    let sink: ByteSink
    let cancellation: CancellationFlag
    var report: ExportReport

    mutating func write() throws(ExchangeError) {
        writer.begin(&sink.buffer)
        try writePeers()
        if options.filter == .all {
            try writeCandidates()
            if writer.carriesTables { try writeTables() }
        }
        writer.end(&sink.buffer)
        report.leftOut = writer.leftOut
        options.onProgress?(report.peers)
    }

    private mutating func writePeers() throws(ExchangeError) {
        let pages = PageAhead(store, filter: options.filter)
        pages.request(after: nil)
        while let page = try ExchangeError.mapping({ () throws(StoreError) in try pages.take() }) {
            if let last = page.next { pages.request(after: last) }
            try cancellation.check()
            for peer in page.peers { writer.append(peer, to: &sink.buffer) }
            try sink.flushIfFull()
            report.peers += page.peers.count
            report.damaged += page.damaged.count
            options.onProgress?(report.peers)
            if page.next == nil { return }
        }
    }

    private mutating func writeCandidates() throws(ExchangeError) {
        var page: CandidatePage?
        repeat {
            try cancellation.check()
            let next = try read { (store) throws(StoreError) in try store.candidates(after: page?.next) }
            for candidate in next.candidates { writer.append(candidate, to: &sink.buffer) }
            try sink.flushIfFull()
            report.candidates += next.candidates.count
            page = next
        } while page?.next != nil
    }

    private mutating func writeTables() throws(ExchangeError) {
        var last: Key?
        while true {
            let page = try read { (store) throws(StoreError) in try store.tombstones(after: last) }
            guard let end = page.last else { break }
            for tombstone in page { writer.append(tombstone, to: &sink.buffer) }
            try sink.flushIfFull()
            report.tombstones += page.count
            last = end.key
        }
        let identities = try read { (store) throws(StoreError) in try store.identities() }
        for identity in identities { writer.append(identity, to: &sink.buffer) }
        report.identities = identities.count
        for identity in identities {
            let buckets = try read { (store) throws(StoreError) in try store.buckets(of: identity) }
            for bucket in buckets { writer.append(bucket, identity: identity, to: &sink.buffer) }
            try sink.flushIfFull()
            report.buckets += buckets.count
        }
        try writeEngine()
    }

    /// What a node remembers beside its peers: bounded, so each is one read.
    private mutating func writeEngine() throws(ExchangeError) {
        for held in try read({ (store) throws(StoreError) in try store.heldFailures() }) {
            writer.append(held, to: &sink.buffer)
        }
        let (witnesses, canaryAt) = try read { (store) throws(StoreError) in try store.witnesses() }
        writer.append(witnesses, canaryAt: canaryAt, to: &sink.buffer)
        for session in try read({ (store) throws(StoreError) in try store.sessions() }).sessions {
            writer.append(session, to: &sink.buffer)
        }
        writer.append(try read { (store) throws(StoreError) in try store.lookupStatistics() }, to: &sink.buffer)
        try sink.flushIfFull()
    }

    private func read<Value>(_ body: (Store) throws(StoreError) -> Value) throws(ExchangeError) -> Value {
        do throws(StoreError) {
            return try body(store)
        } catch {
            throw .store(error)
        }
    }
}
