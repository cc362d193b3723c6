import KadStore
import Kademlia
import Multiformats

/// Writes the layout of geth's `devp2p` tool, nodes in the order of their ids, with what a store can answer for.
///
/// A store has no signed records, so `record` is an unsigned one: an empty signature, sequence number 0, no identity scheme
/// and no key, and in it the endpoints where readers of this format look for them. Nothing is made up. Programs that
/// check signatures refuse such a file as a whole: geth's `devp2p` says "invalid signature on node record". Without
/// `record` it would load the file, and crash on the first use of a node.
///
/// A record holds one endpoint of IPv4 and one of IPv6; what else a peer has stands in `addresses`, a member of ours that
/// others pass over. A peer that never answered has no times: `firstResponse` and `lastResponse` are answers.
final class Devp2pWriter: FormatWriter {
    private(set) var leftOut = 0
    private var isFirst = true

    func begin(_ output: inout [UInt8]) { output.append(UInt8(ascii: "{")) }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) {
        output.append(contentsOf: (isFirst ? "\n    \"" : ",\n    \"").utf8)
        isFirst = false
        PeerIDEncoding.hex.append(peer.id, to: &output)
        output.append(contentsOf: "\": {\n        \"seq\": 0,\n        \"record\": \"".utf8)
        let addresses = peer.addresses.map(\.address)
        let record = NodeRecord(fitting: addresses)
        record.append(to: &output)
        output.append(UInt8(ascii: "\""))
        if peer.lastOK != nil, peer.successes > 0 {
            Self.name("score", &output)
            Decimal.append(peer.successes, to: &output)
        }
        if let lastOK = peer.lastOK {
            Self.stamp("firstResponse", min(peer.firstSeen, lastOK), &output)
            Self.stamp("lastResponse", lastOK, &output)
        }
        if let lastCheck = [peer.lastOK, peer.lastFailure].compactMap(\.self).max() {
            Self.stamp("lastCheck", lastCheck, &output)
        }
        let carried = record.addresses
        append(addresses.filter { !carried.contains($0) }, to: &output)
        output.append(contentsOf: "\n    }".utf8)
    }

    private func append(_ addresses: [Multiaddr], to output: inout [UInt8]) {
        guard !addresses.isEmpty else { return }
        Self.name("addresses", &output)
        output.append(UInt8(ascii: "["))
        for (index, address) in addresses.enumerated() {
            if index > 0 { output.append(contentsOf: ", ".utf8) }
            JSONWriter.append(address.description, to: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    /// Candidates have no ids.
    func append(_ candidate: Candidate, to output: inout [UInt8]) { leftOut += 1 }

    func end(_ output: inout [UInt8]) { output.append(contentsOf: (isFirst ? "}\n" : "\n}\n").utf8) }

    private static func name(_ name: StaticString, _ output: inout [UInt8]) {
        output.append(contentsOf: ",\n        \"".utf8)
        output.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        output.append(contentsOf: "\": ".utf8)
    }

    /// A time, where it is one that this form can write.
    private static func stamp(_ name: StaticString, _ stamp: Instant, _ output: inout [UInt8]) {
        guard let text = stamp.rfc3339 else { return }
        Self.name(name, &output)
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: text.utf8)
        output.append(UInt8(ascii: "\""))
    }
}
