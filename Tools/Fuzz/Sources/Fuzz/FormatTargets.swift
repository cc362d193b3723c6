import KadStore
import Multiformats

@testable import KadExchange

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Text and binary forms of addresses and ids, and the files that peers come in.
let formatTargets = [
    FuzzTarget(name: "multiaddr") { bytes in
        if let address = try? Multiaddr(bytes: bytes) { try survives(address) }
        let text = bytes.withUnsafeBufferPointer { try? Multiaddr(utf8: $0) }
        if let text { try survives(text) }
    },
    FuzzTarget(name: "peer-id") { bytes in
        for encoding in PeerIDEncoding.allCases {
            guard let id = bytes.withUnsafeBufferPointer({ try? encoding.decode(utf8: $0) }) else { continue }
            try Broken.unless(try encoding.decode(encoding.encode(id)) == id, "an id changes on its way through text")
        }
    },
    FuzzTarget(name: "import", run: importFile),
]

private func survives(_ address: Multiaddr) throws {
    let again = try Multiaddr(address.description)
    try Broken.unless(again == address, "\(address) changes on its way through text")
}

/// The first byte chooses the format, the rest is the file.
private func importFile(_ bytes: [UInt8]) throws {
    // The one format that SQLite reads.
    let formats = ExchangeFormat.importable.filter { $0 != .pyLibp2p }
    guard let first = bytes.first else { return }
    let format = formats[Int(first) % formats.count]
    try bytes.dropFirst().withUnsafeBytes { file in
        guard ftruncate(scratch, 0) == 0, pwrite(scratch, file.baseAddress, file.count, 0) == file.count,
            lseek(scratch, 0, SEEK_SET) == 0
        else { throw Broken(description: "no temporary file") }
    }
    let network = format.codec.networks?.first ?? .libp2p
    let reader = format.codec.reader(ByteInput(descriptor: scratch, name: "input", closing: false), network: network)
    var items = 0
    while let item = try reader.next() {
        items += 1
        try Broken.unless(items <= bytes.count + 1, "more records than bytes")
        if case .fault = item { break }
    }
}

/// A file without a name, written anew for each input.
private let scratch: CInt = {
    var template = Array("/tmp/kadstore-fuzz.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    unlink(template)
    return descriptor
}()
