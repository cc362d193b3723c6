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
    private var records: JSONRecords

    init(_ input: ByteInput) {
        let isList = FileSample(input.window, isWhole: false).first == UInt8(ascii: "[")
        records = JSONRecords(input, .elements, of: isList ? nil : "Bootstrap")
    }

    func next() throws(ExchangeError) -> ImportItem? {
        try records.next { (text, place) throws(RejectionReason) in
            var reader = JSONReader(text)
            let address = try reader.text("Bootstrap")
            try reader.finish()
            return try address.withUTF8 { ImportItem(address: $0, at: place) }
        }
    }
}
