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
    /// Whose agent, protocols and source stand in `back`: most peers share them with the one before.
    private var backPeer: PeerRecord?

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
        // Paths and names in addresses may hold what CSV takes for its own.
        if let entry { Self.field(&output) { entry.address.append(to: &$0) } }
        output.append(contentsOf: front)
        if let ok = entry?.lastOK { Decimal.append(ok.milliseconds, to: &output) }
        output.append(UInt8(ascii: ","))
        if let entry { Decimal.append(entry.failures, to: &output) }
        output.append(contentsOf: back)
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
        if let backPeer, Self.isSame(backPeer.agent, peer.agent), Self.isSame(backPeer.source, peer.source),
            backPeer.protocols.elementsEqual(peer.protocols, by: Self.isSame)
        {
            return
        }
        backPeer = peer
        back.removeAll(keepingCapacity: true)
        back.append(UInt8(ascii: ","))
        if let agent = peer.agent { Self.field(&back) { $0.append(contentsOf: agent.utf8) } }
        back.append(UInt8(ascii: ","))
        Self.field(&back) { Self.append(peer.protocols, to: &$0) }
        back.append(UInt8(ascii: ","))
        if let source = peer.source { Self.field(&back) { $0.append(contentsOf: source.utf8) } }
        back.append(UInt8(ascii: ","))
        Self.field(&back) { $0.append(contentsOf: network.name.utf8) }
        back.append(UInt8(ascii: "\n"))
    }

    /// Byte for byte: Swift's equality would take two ways of writing one character for the same.
    private static func isSame(_ left: String?, _ right: String?) -> Bool {
        left.map(ExactString.init) == right.map(ExactString.init)
    }

    private static func append(_ protocols: [String], to output: inout [UInt8]) {
        for (index, name) in protocols.enumerated() {
            if index > 0 { output.append(UInt8(ascii: " ")) }
            for byte in name.utf8 {
                switch byte {
                case UInt8(ascii: " "): output.append(contentsOf: "%20".utf8)
                case UInt8(ascii: "%"): output.append(contentsOf: "%25".utf8)
                default: output.append(byte)
                }
            }
        }
    }

    /// Appends what `body` does, in quotes where CSV needs them or a spreadsheet would take it for a formula.
    private static func field(_ output: inout [UInt8], _ body: (inout [UInt8]) -> Void) {
        let start = output.count
        body(&output)
        let text = output[start...]
        guard text.contains(where: needsQuotes) || text.first.map(beginsFormula) ?? false else { return }
        let plain = Array(text)
        output.removeSubrange(start...)
        output.append(UInt8(ascii: "\""))
        for byte in plain {
            if byte == UInt8(ascii: "\"") { output.append(byte) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func needsQuotes(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): true
        default: false
        }
    }

    private static func beginsFormula(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), UInt8(ascii: " "): true
        default: false
        }
    }
}
