import KadStore
import Multiformats

/// Kubo's bootstrap list: a JSON array of multiaddrs, alone or as `Bootstrap` of its configuration file. Nothing else of
/// the configuration is looked at: it holds the node's private key.
enum KuboFormat: FormatCodec {
    static var summary: String { "Kubo's bootstrap list (a JSON array) or configuration file" }
    static var networks: [Network]? { [.libp2p] }

    static func recognise(_ sample: FileSample) -> Recognition {
        switch sample.first {
        case UInt8(ascii: "["):
            var reader = JSONReader(sample.bytes.part(1..<sample.bytes.count))
            if reader.next == UInt8(ascii: "]") { return .yes() }
            guard let text = try? reader.text(), text.raw.first == UInt8(ascii: "/") else { return .no }
            return .yes()
        case UInt8(ascii: "{"):
            if sample.hasMembers("Bootstrap") { return .yes() }
            // Kubo sorts its sections; Addresses and AutoNAT come first, and may fill what is looked at.
            return sample.hasMembers("API", "Addresses") ? .yes() : .no
        default: return .no
        }
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { BootstrapReader(input) }
}

private final class BootstrapReader: FormatReader {
    /// A configuration file has some kilobytes.
    private static let limit = 16 << 20

    private let input: ByteInput
    private var items: [ImportItem]?

    init(_ input: ByteInput) { self.input = input }

    func next() throws(ExchangeError) -> ImportItem? {
        if items == nil { items = try read().reversed() }
        return items?.popLast()
    }

    private func read() throws(ExchangeError) -> [ImportItem] {
        try input.fill(atLeast: Self.limit + 1)
        let bytes = input.window
        let start = Place.line(1)
        guard bytes.count <= Self.limit else {
            return [.fault(ImportFault(place: start, reason: .tooLong(limit: Self.limit)))]
        }
        guard bytes.isUTF8 else { return [.fault(ImportFault(place: start, reason: .notUTF8))] }
        var found: [ImportItem] = []
        var reader = JSONReader(bytes)
        var lines = LineCount(bytes)
        var sawList = false
        do throws(RejectionReason) {
            if reader.next == UInt8(ascii: "{") {
                try reader.object { (name, reader) throws(RejectionReason) in
                    guard name.equals("Bootstrap") else { return try reader.skip() }
                    sawList = true
                    if try !reader.takeNull() { try Self.list(&reader, &lines, &found) }
                }
                guard sawList else { throw .missing("Bootstrap") }
            } else {
                try Self.list(&reader, &lines, &found)
            }
            try reader.finish()
        } catch {
            found.append(.fault(ImportFault(place: .line(lines.line(at: reader.offset)), reason: error)))
        }
        input.consume(bytes.count)
        return found
    }

    private static func list(
        _ reader: inout JSONReader, _ lines: inout LineCount, _ found: inout [ImportItem]
    ) throws(RejectionReason) {
        try reader.array { (reader) throws(RejectionReason) in
            let isText = reader.next == UInt8(ascii: "\"")
            let place = Place.line(lines.line(at: reader.offset))
            guard isText else {
                try reader.skip()
                found.append(.rejected(Rejection(place: place, reason: .wrongType("Bootstrap", expected: "text"))))
                return
            }
            let text = try reader.text()
            found.append(try text.withUTF8 { ImportItem(address: $0, at: place) })
        }
    }
}

/// Says in which line offsets are that only grow: each byte is looked at once.
private struct LineCount {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var line = 1
    private var counted = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func line(at offset: Int) -> Int {
        while let found = bytes.offset(of: UInt8(ascii: "\n"), from: counted), found < offset {
            line += 1
            counted = found + 1
        }
        return line
    }
}
