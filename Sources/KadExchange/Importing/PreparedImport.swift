import KadStore
import Kademlia
import Multiformats
import Synchronization

/// What was read of a file, sorted and ready to be merged into a store, which need not have been there for it.
public final class PreparedImport: Sendable {
    /// What became of the file so far; its summary is still empty.
    public let report: ImportReport
    let onProgress: (@Sendable (ImportProgress) -> Void)?
    private let records: Mutex<Handover<RecordSorter>?>

    init(_ report: ImportReport, _ records: RecordSorter, _ options: ImportOptions) {
        self.report = report
        onProgress = options.onProgress
        self.records = Mutex(Handover(records))
    }

    /// What an empty store would take of it. Like an import, it uses the records up.
    public func preview() async throws(ExchangeError) -> ImportReport {
        let records = Handover(try take())
        let report = report
        return try await withOwnThread { cancellation throws(ExchangeError) in
            var complete = report
            let pages = SortedPages(records.value)
            while let page = try pages.nextPeers() {
                complete.summary.peers.added += page.records.count
                try cancellation.check()
            }
            while let page = try pages.nextCandidates() {
                complete.summary.candidates.added += page.records.count
                try cancellation.check()
            }
            return complete
        }
    }

    /// The records, for whoever comes first.
    func take() throws(ExchangeError) -> RecordSorter {
        let taken = records.withLock { records in
            defer { records = nil }
            return records
        }
        guard let taken else { throw .alreadyRead(name: report.name) }
        return taken.value
    }
}

extension ImportSource {
    /// Reads the file for stores of a network and scope: everything that an import does before it needs the store.
    ///
    /// - Parameter own: the store's own ids, which are left out.
    /// - Throws: ``ExchangeError`` when nothing could be read, or the file is of another network.
    public func prepared(
        for network: Network, _ scope: Scope, own: Set<PeerID> = [], _ options: ImportOptions = ImportOptions()
    ) async throws(ExchangeError) -> PreparedImport {
        if let stated = self.network, stated != network {
            throw .networkMismatch(
                name: name, file: stated.exchangeDescription, store: network.exchangeDescription)
        }
        guard format.carries(network) else {
            throw .networkNotCarried(format: format, network: network.name)
        }
        return try await withOwnThread { [self] cancellation throws(ExchangeError) in
            let records = RecordSorter(network: network, options: BulkOptions(options))
            let policy = ImportPolicy(network: network, scope: scope, own: own, options: options, name: name)
            let report = try ImportRun(self, network, policy, options, into: records, cancellation).read()
            return PreparedImport(report, records, options)
        }
    }
}

extension BulkOptions {
    init(_ options: ImportOptions) {
        self.init(now: options.now)
        trustsHistory = options.trustsHistory && options.takesHistory
        isDryRun = options.isDryRun
    }
}
