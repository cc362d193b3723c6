import KadStore
import Kademlia
import Multiformats

extension Store {
    /// Imports a foreign file: every record that is good, merged into what the store knows. Importing it again changes
    /// nothing.
    ///
    /// The file is read once, on a thread of its own; records are sorted by key outside of memory when they are many, and
    /// merged in transactions of bounded size. Peak memory does not depend on the size of the file.
    ///
    /// - Throws: ``ExchangeError`` when nothing could be imported: another network, the system, the store. What is wrong
    ///   with single records or ends the file early stands in the report.
    public func importPeers(
        from source: ImportSource, _ options: ImportOptions = ImportOptions()
    ) async throws(ExchangeError) -> ImportReport {
        if let stated = source.network, stated != network {
            throw .networkMismatch(
                name: source.name, file: stated.exchangeDescription, store: network.exchangeDescription)
        }
        guard source.format.carries(network) else {
            throw .networkNotCarried(format: source.format, network: network.name)
        }
        let (report, loader) = try await withOwnThread { [self] cancellation throws(ExchangeError) in
            try ImportRun(store: self, source: source, options: options, cancellation).read()
        }
        var complete = report
        let taken = report.taken
        let onProgress = options.onProgress
        do throws(StoreError) {
            complete.summary = try await loader.finish { done in
                onProgress?(.writing(records: done, of: taken))
            }
        } catch {
            throw .store(error)
        }
        return complete
    }
}

extension Network {
    /// For messages about two networks that differ.
    var exchangeDescription: String {
        Network.known.contains(self) ? name : "\(name) (\(keyBits)-bit keys, \(derivation.rawValue))"
    }
}

/// The reading half of an import.
private struct ImportRun {
    private let reader: any FormatReader
    private let input: ByteInput
    private let policy: ImportPolicy
    private let loader: BulkLoader
    private let options: ImportOptions
    private let cancellation: CancellationFlag
    private var report: ImportReport

    /// Items between two looks at the clock of progress and cancellation.
    private static let stride = 8_192

    init(
        store: Store, source: ImportSource, options: ImportOptions, _ cancellation: CancellationFlag
    ) throws(ExchangeError) {
        input = try source.take()
        input.cancellation = cancellation
        reader = source.format.codec.reader(input, network: store.network)
        var bulk = BulkOptions(now: options.now)
        bulk.trustsHistory = options.trustsHistory
        bulk.isDryRun = options.isDryRun
        let settings = bulk
        (policy, loader) = try ExchangeError.mapping { () throws(StoreError) in
            (try ImportPolicy(store: store, options: options, name: source.name), try store.bulkLoader(settings))
        }
        self.options = options
        self.cancellation = cancellation
        report = ImportReport(
            name: source.name, format: source.format, network: store.network, isDryRun: options.isDryRun)
    }

    consuming func read() throws(ExchangeError) -> (ImportReport, BulkLoader) {
        var items = 0
        while report.fault == nil, let item = try nextItem() {
            try ExchangeError.mapping { () throws(StoreError) in try take(item) }
            items += 1
            if items.isMultiple(of: Self.stride) {
                try cancellation.check()
                options.onProgress?(.reading(records: report.records, bytes: input.offset, of: input.size))
            }
        }
        options.onProgress?(.reading(records: report.records, bytes: input.offset, of: input.size))
        return (report, loader)
    }

    /// A file that cannot be read on has been read up to there.
    private mutating func nextItem() throws(ExchangeError) -> ImportItem? {
        do {
            return try reader.next()
        } catch .system(let operation, let name, let code) {
            guard report.taken > 0 else { throw .system(operation: operation, name: name, code: code) }
            report.fault = ImportFault(place: .offset(input.offset), reason: .unreadable(code))
            return nil
        }
    }

    private mutating func take(_ item: ImportItem) throws(StoreError) {
        switch item {
        case .peer(var peer, let key, let place):
            report.records += 1
            switch try policy.admit(&peer, key: key, localIDs: report.localIDs, report: &report) {
            case .take:
                try loader.add(peer)
                report.taken += 1
            case .own: report.ownRecords += 1
            case .reject(let reason):
                reject(
                    Rejection(place: place, reason: reason, excerpt: report.network.idEncoding.encode(peer.id)))
            }
        case .candidate(let address, let firstSeen, let lastSeen, let place):
            report.records += 1
            let (candidate, reason) = policy.admit(
                address, firstSeen: firstSeen, lastSeen: lastSeen, report: &report)
            if let candidate {
                try loader.add(candidate)
                report.taken += 1
            } else if let reason {
                reject(Rejection(place: place, reason: reason, excerpt: Printable.text(address.description)))
            }
        case .rejected(let rejection):
            report.records += 1
            reject(rejection)
        case .localID(let id):
            if report.localIDs.count < ImportReport.localIDLimit { report.localIDs.append(id) }
        case .note(let note): report.add(note)
        case .fault(let fault): report.fault = fault
        }
    }

    private mutating func reject(_ rejection: Rejection) {
        report.add(rejection, limit: options.rejectionLimit)
        options.onRejection?(rejection)
    }
}
