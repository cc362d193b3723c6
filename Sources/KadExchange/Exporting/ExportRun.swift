import KadStore
import Kademlia

/// Writes one file: peers and candidates from wherever they come, and what else a store has.
struct ExportRun {
    private let pages: any RecordPages
    private let writer: any FormatWriter
    private let sink: ByteSink
    private let cancellation: Cancellation
    /// Told now and then of how many peers have been written.
    var onProgress: (@Sendable (Int) -> Void)?
    var report: ExportReport

    /// - Throws: ``ExchangeError/unsupported(name:reason:)`` for a format that is only read.
    init(
        _ pages: any RecordPages, _ format: ExchangeFormat, _ context: ExportContext, _ sink: ByteSink,
        _ cancellation: Cancellation
    ) throws(ExchangeError) {
        guard let writer = format.codec.writer(context) else {
            throw .unsupported(name: format.name, reason: "this format is only read, not written.")
        }
        self.pages = pages
        self.writer = writer
        self.sink = sink
        self.cancellation = cancellation
        sink.cancellation = cancellation
        report = ExportReport(format: format)
    }

    /// - Parameter tables: the store whose other contents are written, too, where the format carries them.
    mutating func write(tables: Store? = nil) throws(ExchangeError) {
        writer.begin(&sink.buffer)
        try writePeers()
        try writeCandidates()
        if let tables, writer.carriesTables { try writeTables(tables) }
        writer.end(&sink.buffer)
        report.leftOut = writer.leftOut
        onProgress?(report.peers)
    }

    private mutating func writePeers() throws(ExchangeError) {
        while let page = try pages.nextPeers() {
            try cancellation.check()
            for peer in page.records { writer.append(peer, to: &sink.buffer) }
            try sink.flushIfFull()
            report.peers += page.records.count
            report.damaged += page.damaged
            onProgress?(report.peers)
        }
    }

    private mutating func writeCandidates() throws(ExchangeError) {
        while let page = try pages.nextCandidates() {
            try cancellation.check()
            for candidate in page.records { writer.append(candidate, to: &sink.buffer) }
            try sink.flushIfFull()
            report.candidates += page.records.count
            report.damagedCandidates += page.damaged
        }
    }

    private mutating func writeTables(_ store: Store) throws(ExchangeError) {
        var last: Key?
        repeat {
            let page = try ExchangeError.mapping { () throws(StoreError) in try store.tombstones(after: last) }
            for tombstone in page.tombstones { writer.append(tombstone, to: &sink.buffer) }
            try sink.flushIfFull()
            report.tombstones += page.tombstones.count
            report.damagedTombstones += page.damaged
            last = page.next
        } while last != nil
        let identities = try ExchangeError.mapping { () throws(StoreError) in try store.identities() }
        for identity in identities { writer.append(identity, to: &sink.buffer) }
        report.identities = identities.count
        for identity in identities {
            let buckets = try ExchangeError.mapping { () throws(StoreError) in try store.buckets(of: identity) }
            for bucket in buckets { writer.append(bucket, identity: identity, to: &sink.buffer) }
            try sink.flushIfFull()
            report.buckets += buckets.count
        }
        try writeEngine(store)
    }

    /// What a node remembers beside its peers: bounded, so each is one read.
    private mutating func writeEngine(_ store: Store) throws(ExchangeError) {
        for held in try ExchangeError.mapping({ () throws(StoreError) in try store.heldFailures() }) {
            writer.append(held, to: &sink.buffer)
        }
        let (witnesses, canaryAt) = try ExchangeError.mapping { () throws(StoreError) in try store.witnesses() }
        writer.append(witnesses, canaryAt: canaryAt, to: &sink.buffer)
        for session in try ExchangeError.mapping({ () throws(StoreError) in try store.sessions() }).sessions {
            writer.append(session, to: &sink.buffer)
        }
        writer.append(
            try ExchangeError.mapping { () throws(StoreError) in try store.lookupStatistics() }, to: &sink.buffer)
        try sink.flushIfFull()
    }
}
