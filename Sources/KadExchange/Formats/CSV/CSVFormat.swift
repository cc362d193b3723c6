import KadStore

/// Comma-separated values: see ``CSVColumn``.
enum CSVFormat: FormatCodec {
    static var summary: String { "CSV with a header: a row for each peer and address" }
    static var networks: [Network]? { nil }
    static var canExport: Bool { true }

    /// A file whose first line names a column `id` beside others of ours, or alone.
    static func recognise(_ sample: FileSample) -> Recognition {
        let names = CSVHeader.names(sample.firstLine)
        let known = names.compactMap(\.self).count
        guard names.contains(.id), known > 1 || names.count == 1 else {
            return known > 1 ? .near("its first line names no column 'id'") : .no
        }
        return .yes(network: network(sample, names))
    }

    /// The network that the first row names.
    private static func network(_ sample: FileSample, _ names: [CSVColumn?]) -> Network? {
        guard let column = names.firstIndex(of: .network) else { return nil }
        var fields: [CSVRowReader.Field] = []
        guard case .row(let start, _) = CSVRowReader.scan(sample.bytes, isLast: sample.isWhole, into: &fields) else {
            return nil
        }
        let rest = sample.bytes.part(start..<sample.bytes.count)
        guard case .row = CSVRowReader.scan(rest, isLast: sample.isWhole, into: &fields), column < fields.count else {
            return nil
        }
        let name = rest.part(fields[column].range)
        return Network.known.first { Array($0.name.utf8).elementsEqual(name) }
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        CSVReader(input, network: network)
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { CSVWriter(context.network) }
}

/// The header row.
enum CSVHeader {
    /// The columns by place; nil for one that is not ours. Case, blanks and quotes around names do not matter.
    static func names(_ line: UnsafeBufferPointer<UInt8>) -> [CSVColumn?] {
        guard line.count < 4_096 else { return [] }
        return line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            name(UnsafeBufferPointer(rebasing: $0))
        }
    }

    static func name(_ field: UnsafeBufferPointer<UInt8>) -> CSVColumn? {
        let quotes = UInt8(ascii: "\"")
        let blanks: [UInt8] = [0x20, 0x09, 0x0d, quotes]
        let text = field.filter { !blanks.contains($0) }
        return CSVColumn(rawValue: String(decoding: text, as: UTF8.self).lowercased())
    }
}
