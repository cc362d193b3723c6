import KadStore
import Kademlia
import Multiformats

/// Reads one file into a sorter, by the rules of an import.
struct ImportRun {
    private let reader: any FormatReader
    private let input: ByteInput
    private let policy: ImportPolicy
    private let records: RecordSorter
    private let options: ImportOptions
    private let cancellation: Cancellation
    private var report: ImportReport
    /// Told of every peer that is taken.
    var onTaken: ((ImportedPeer) -> Void)?

    /// Items between two looks at the clock of progress and cancellation.
    private static let stride = 8_192

    init(
        _ source: ImportSource, _ network: Network, _ policy: ImportPolicy, _ options: ImportOptions,
        into records: RecordSorter, _ cancellation: Cancellation
    ) throws(ExchangeError) {
        input = try source.take()
        input.cancellation = cancellation
        reader = source.format.codec.reader(input, network: network)
        self.policy = policy
        self.records = records
        self.options = options
        self.cancellation = cancellation
        report = ImportReport(
            name: source.name, format: source.format, network: network, isDryRun: options.isDryRun)
    }

    consuming func read() throws(ExchangeError) -> ImportReport {
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
        return report
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
                try records.add(peer)
                report.taken += 1
                onTaken?(peer)
            case .own: report.ownRecords += 1
            case .filtered: report.filtered += 1
            case .reject(let reason):
                reject(
                    Rejection(place: place, reason: reason, excerpt: report.network.idEncoding.encode(peer.id)))
            }
        case .candidate(let address, let firstSeen, let lastSeen, let place):
            report.records += 1
            guard options.filter == .all else {
                report.filtered += 1
                return
            }
            let (candidate, reason) = policy.admit(
                address, firstSeen: firstSeen, lastSeen: lastSeen, report: &report)
            if let candidate {
                try records.add(candidate)
                report.taken += 1
                report.hasCandidates = true
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
        guard let onRejection = options.onRejection else { return }
        var whole = rejection
        whole.bytes = reader.record(limit: Rejection.byteLimit) ?? rejection.bytes
        onRejection(whole)
    }
}
