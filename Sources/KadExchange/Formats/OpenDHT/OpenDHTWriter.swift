import KadStore
import Kademlia
import Multiformats

/// Nodes for OpenDHT, the best first, each with one address of a family at most. Candidates have no ids, and so no place.
///
/// The list's length stands before it, so what is written is held in memory: 65,536 nodes at most, which is what a running
/// node's store holds. OpenDHT itself keeps some hundred of them, eight a bucket.
///
/// The socket addresses are laid out as on Linux, whatever the system. Windows reads those of IPv4; the BSDs and macOS read
/// none, as they would none of a file that OpenDHT wrote on Linux.
///
/// A node that reads a state without an own id chooses one.
final class OpenDHTWriter: FormatWriter {
    private static let limit = 65_536

    private let isState: Bool
    private let ownID: PeerID?
    private var nodes = BestNodes(limit: OpenDHTWriter.limit, withIDs: true)

    init(state: Bool, id: PeerID?) {
        isState = state
        ownID = id
    }

    var leftOut: Int { nodes.leftOut }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) { nodes.add(peer) }
    func append(_ candidate: Candidate, to output: inout [UInt8]) { nodes.add(candidate) }

    func end(_ output: inout [UInt8]) {
        if isState {
            MessagePack.map(ownID == nil ? 3 : 4, to: &output)
            MessagePack.text("v", to: &output)
            output.append(1)
            if let ownID {
                MessagePack.text("id", to: &output)
                MessagePack.binary(ownID.bytes, to: &output)
            }
            MessagePack.text("nodes", to: &output)
        }
        appendNodes(to: &output)
        if isState {
            MessagePack.text("values", to: &output)
            MessagePack.array(0, to: &output)
        }
    }

    private func appendNodes(to output: inout [UInt8]) {
        let nodes = nodes.sorted()
        MessagePack.array(nodes.reduce(0) { $0 + $1.endpoints.count }, to: &output)
        for node in nodes {
            guard let id = node.id else { continue }
            for endpoint in node.endpoints {
                // In this order: OpenDHT looks for the members by their place.
                MessagePack.map(2, to: &output)
                MessagePack.text("id", to: &output)
                MessagePack.binary(id.bytes, to: &output)
                MessagePack.text("addr", to: &output)
                MessagePack.binary(SocketAddress.bytes(endpoint), to: &output)
            }
        }
    }
}

/// Writes the few kinds of values that OpenDHT's files have, each in its shortest form.
private enum MessagePack {
    static func map(_ pairs: UInt8, to output: inout [UInt8]) { output.append(0x80 | pairs) }

    static func array(_ count: Int, to output: inout [UInt8]) {
        switch count {
        case ..<16: output.append(0x90 | UInt8(truncatingIfNeeded: count))
        case ..<65_536: output += [0xdc, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
        default:
            output.append(0xdd)
            for shift in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: count >> shift)) }
        }
    }

    static func text(_ text: StaticString, to output: inout [UInt8]) {
        output.append(0xa0 | UInt8(truncatingIfNeeded: text.utf8CodeUnitCount))
        text.withUTF8Buffer { output.append(contentsOf: $0) }
    }

    static func binary(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
        output.append(0xc4)
        output.append(UInt8(truncatingIfNeeded: bytes.count))
        output.append(contentsOf: bytes)
    }
}
