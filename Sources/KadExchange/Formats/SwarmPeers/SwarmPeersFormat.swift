import KadStore
import Multiformats

/// Kubo's `ipfs swarm peers` with `--latency`, `--direction`, `--streams` or all of them (`-v`), and with `--enc=json`
/// (Kubo, `core/commands/swarm.go`).
///
///     /ip4/192.0.2.1/tcp/4001/p2p/<id>[ <latency>][ inbound| outbound]
///       /ipfs/kad/1.0.0
///     {"Peers": [{"Addr", "Peer", "Latency", "Direction", "Streams": [{"Protocol"}], "Identify": {…}}]}
///
/// Without options the text is a list of multiaddrs, and read as one: see ``MultiaddrsFormat``.
enum SwarmPeersFormat: FormatCodec {
    static var summary: String { "what 'ipfs swarm peers -v' prints, as text or JSON (--enc=json)" }
    static var networks: [Network]? { [.libp2p] }

    static func recognise(_ sample: FileSample) -> Recognition {
        isAnnotated(sample) || isDocument(sample) ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        let sample = FileSample(input.window, isWhole: false)
        return sample.first == UInt8(ascii: "{") ? SwarmPeersDocumentReader(input) : SwarmPeersTextReader(input)
    }

    /// Whether a line has something behind its address, or an indented line below it that is no address.
    static func isAnnotated(_ sample: FileSample) -> Bool {
        var verdict = false
        var isBelowAddress = false
        sample.forEachLine { line in
            guard line.first == UInt8(ascii: "/") else {
                verdict = isBelowAddress && isIndented(line) && (try? Multiaddr(utf8: line.trimmed)) == nil
                return !verdict
            }
            let words = line.split(separator: 0x20, maxSplits: 1)
            isBelowAddress =
                words.first.map { (try? Multiaddr(utf8: UnsafeBufferPointer(rebasing: $0))) != nil } ?? false
            verdict = isBelowAddress && words.count > 1 && (try? SwarmConnection(line: line)) != nil
            return !verdict
        }
        return verdict
    }

    /// Whether a line of text stands below a connection: two blanks, then what is none.
    static func isIndented(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        line.count > 2 && line[0] == 0x20 && line[1] == 0x20 && line[2] != 0x20
    }

    /// Whether the file begins like the JSON document: 'ipfs swarm peering ls' has `Peers` of another kind.
    private static func isDocument(_ sample: FileSample) -> Bool {
        guard sample.first == UInt8(ascii: "{") else { return false }
        var verdict = false
        var reader = JSONReader(sample.bytes)
        // The end of the sample may cut the document anywhere: what was seen until then counts.
        try? reader.object { (name, reader) throws(RejectionReason) in
            guard name.equals("Peers") else { return try reader.skip() }
            if try reader.takeNull() {
                verdict = true
                return
            }
            verdict = reader.next == UInt8(ascii: "[")
            var isFirst = true
            try reader.array { (reader) throws(RejectionReason) in
                guard isFirst else { return try reader.skip() }
                isFirst = false
                verdict = false
                try reader.object { (name, reader) throws(RejectionReason) in
                    if name.equals("Addr") || name.equals("Peer") { verdict = true }
                    try reader.skip()
                }
            }
        }
        return verdict
    }
}
