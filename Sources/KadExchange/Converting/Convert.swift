import KadStore
import Kademlia

/// What works on files alone.
public enum Exchange {}

/// How files become another file.
public struct ConvertOptions: Sendable {
    /// The format that is written.
    public var format: ExchangeFormat
    /// The network of the peers; nil for the one that the files state.
    public var network: Network?
    /// Which addresses are taken; nil for the scope that the first file states, or public.
    public var scope: Scope?
    /// What is taken of the files, and told on the way. A dry run writes nothing.
    public var input: ImportOptions
    /// Told now and then of how many peers have been written.
    public var onProgress: (@Sendable (Int) -> Void)?

    public init(to format: ExchangeFormat, _ input: ImportOptions = ImportOptions()) {
        self.format = format
        self.input = input
    }
}

/// What became of a conversion.
public struct ConvertReport: Hashable, Sendable {
    public let network: Network
    public let scope: Scope
    /// One for each file, in their order; nothing is added or updated, so their summaries are empty.
    public internal(set) var files: [ImportReport] = []
    /// What was written; nil when nothing could be taken from any file, and nothing was.
    public internal(set) var written: ExportReport?
}

extension Exchange {
    /// Writes the peers of files to another file, without a store, as importing them into an empty store and exporting
    /// that would: the same rules about scope, limits, trust and rejections, the records of one peer merged, sorted by
    /// key. The same files, options and time give the same bytes.
    ///
    /// Not carried, not even between native files: tombstones, identities, buckets, held failures, sessions, lookups, the
    /// clock, waits and breakers; peers get the file as their source.
    ///
    /// Records are sorted outside of memory when they are many: peak memory does not depend on the files.
    ///
    /// - Parameters:
    ///   - path: the file to be written, which appears whole or not at all; `-` is standard output.
    ///   - rejects: takes the rejected records, and is left for the caller to commit.
    /// - Throws: ``ExchangeError``: files of different networks, or a network that the format does not carry; a file that
    ///   cannot be read at all, an output that cannot be written. Then nothing is written.
    public static func convert(
        _ sources: [ImportSource], to path: String, _ options: ConvertOptions, rejects: RejectFile? = nil
    ) async throws(ExchangeError) -> ConvertReport {
        let network = try network(of: sources, options)
        let scope = options.scope ?? sources.lazy.compactMap(\.scope).first ?? .public
        return try await withOwnThread { cancellation throws(ExchangeError) in
            var report = ConvertReport(network: network, scope: scope)
            let records = RecordSorter(network: network, options: BulkOptions(options.input))
            for source in sources {
                var input = options.input
                if let rejects { input.onRejection = { rejects.append($0, of: source.name) } }
                let policy = ImportPolicy(network: network, scope: scope, own: [], options: input, name: source.name)
                report.files.append(
                    try ImportRun(source, network, policy, input, into: records, cancellation).read())
            }
            let isEmpty = report.files.allSatisfy { $0.taken == 0 }
            if options.input.isDryRun || isEmpty && !report.files.allSatisfy(\.isComplete) { return report }
            var file = try OutputFile(path: path)
            let context = ExportContext(network: network, scope: scope, clock: nil)
            var run = try ExportRun(SortedPages(records), options.format, context, file.sink, cancellation)
            run.onProgress = options.onProgress
            try run.write()
            try file.commit()
            run.report.bytes = file.sink.count
            report.written = run.report
            return report
        }
    }

    private static func network(
        of sources: [ImportSource], _ options: ConvertOptions
    ) throws(ExchangeError) -> Network {
        let stating = sources.first { $0.network != nil }
        guard let network = options.network ?? stating?.network else {
            throw .networkNotStated(name: sources.first?.name ?? "the input")
        }
        for source in sources {
            if let stated = source.network, stated != network {
                throw .differentNetworks(
                    name: source.name, network: stated.exchangeDescription,
                    other: options.network == nil ? stating?.name ?? "" : "the output",
                    otherNetwork: network.exchangeDescription)
            }
            guard source.format.carries(network) else {
                throw .networkNotCarried(format: source.format, network: network.name)
            }
        }
        guard options.format.carries(network) else {
            throw .networkNotCarried(format: options.format, network: network.name)
        }
        return network
    }
}
