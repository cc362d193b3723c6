import KadStore
import Kademlia
import Multiformats

/// Writes the columns of ``CSVColumn/written``. Candidates have no ids, and so no rows.
final class CSVWriter: FormatWriter {
    private let network: Network
    private(set) var leftOut = 0
    /// What repeats on each row of a peer, behind the address: kept to be made once.
    private var front: [UInt8] = []
    private var back: [UInt8] = []

    init(_ network: Network) { self.network = network }

    func begin(_ output: inout [UInt8]) {
        output.append(contentsOf: CSVColumn.written.map(\.rawValue).joined(separator: ",").utf8)
        output.append(UInt8(ascii: "\n"))
    }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) {
        fillFront(peer)
        fillBack(peer)
        if peer.addresses.isEmpty { append(nil, of: peer, to: &output) }
        for entry in peer.addresses { append(entry, of: peer, to: &output) }
    }

    func append(_ candidate: Candidate, to output: inout [UInt8]) { leftOut += 1 }

    private func append(_ entry: AddressRecord?, of peer: PeerRecord, to output: inout [UInt8]) {
        network.idEncoding.append(peer.id, to: &output)
        output.append(UInt8(ascii: ","))
        if let entry { appendAddress(entry.address, &output) }
        output.append(contentsOf: front)
        if let ok = entry?.lastOK { Decimal.append(ok.milliseconds, to: &output) }
        output.append(UInt8(ascii: ","))
        if let entry { Decimal.append(entry.failures, to: &output) }
        output.append(contentsOf: back)
    }

    private func appendAddress(_ address: Multiaddr, _ output: inout [UInt8]) {
        let start = output.count
        address.append(to: &output)
        // Paths and names in addresses may hold what CSV takes for its own.
        guard output[start...].contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) else { return }
        let text = String(decoding: output[start...], as: UTF8.self)
        output.removeSubrange(start...)
        Self.append(text, to: &output)
    }

    private func fillFront(_ peer: PeerRecord) {
        front.removeAll(keepingCapacity: true)
        for number in [peer.firstSeen.milliseconds, peer.lastSeen.milliseconds, peer.lastOK?.milliseconds] {
            front.append(UInt8(ascii: ","))
            if let number { Decimal.append(number, to: &front) }
        }
        front.append(UInt8(ascii: ","))
        Decimal.append(peer.successes, to: &front)
        front.append(UInt8(ascii: ","))
        Decimal.append(peer.failureCount, to: &front)
        front.append(UInt8(ascii: ","))
        if let rtt = peer.rtt { Decimal.append(rtt.smoothed, to: &front) }
        front.append(UInt8(ascii: ","))
    }

    private func fillBack(_ peer: PeerRecord) {
        back.removeAll(keepingCapacity: true)
        back.append(UInt8(ascii: ","))
        if let agent = peer.agent { Self.append(agent, to: &back) }
        back.append(UInt8(ascii: ","))
        if !peer.protocols.isEmpty { Self.append(Self.joined(peer.protocols), to: &back) }
        back.append(UInt8(ascii: ","))
        if let source = peer.source { Self.append(source, to: &back) }
        back.append(UInt8(ascii: ","))
        Self.append(network.name, to: &back)
        back.append(UInt8(ascii: "\n"))
    }

    private static func joined(_ protocols: [String]) -> String {
        protocols.map { name in
            guard name.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "%") }) else { return name }
            return name.split(separator: "%", omittingEmptySubsequences: false)
                .map { $0.split(separator: " ", omittingEmptySubsequences: false).joined(separator: "%20") }
                .joined(separator: "%25")
        }.joined(separator: " ")
    }

    /// Appends a field, quoted where CSV needs it or a spreadsheet would take it for a formula.
    private static func append(_ text: String, to output: inout [UInt8]) {
        let special: Set<UInt8> = [
            UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"),
        ]
        let formula: Set<UInt8> = [UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x20]
        guard text.utf8.contains(where: special.contains) || text.utf8.first.map(formula.contains) ?? false else {
            output.append(contentsOf: text.utf8)
            return
        }
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") { output.append(byte) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }
}
