import KadStore
import Kademlia
import Multiformats

/// Reads nodes from an array, or from the member `nodes` of a map. Members come in any order, unknown ones are passed over.
final class OpenDHTReader: FormatReader {
    private enum State {
        case start
        /// In the map, with so many pairs left.
        case map(pairs: Int)
        /// In the array, with so many nodes left; and pairs of the map behind it, if there is one.
        case nodes(left: Int, pairs: Int?)
        case done
    }

    private let reader: MessagePackReader
    private let idCount: Int
    private var state = State.start
    private var sawNodes = false

    init(_ input: ByteInput, network: Network) {
        reader = MessagePackReader(input)
        idCount = network.keyByteCount
    }

    func next() throws(ExchangeError) -> ImportItem? {
        do throws(MessagePackReader.Failure) {
            while true {
                switch state {
                case .start: try begin()
                case .map(let pairs):
                    guard pairs > 0 else { return try end() }
                    state = .map(pairs: pairs - 1)
                    if let item = try member(pairsBehind: pairs - 1) { return item }
                case .nodes(let left, let pairs):
                    if left > 0 {
                        state = .nodes(left: left - 1, pairs: pairs)
                        return try node()
                    }
                    guard let pairs else { return try end() }
                    state = .map(pairs: pairs)
                case .done: return nil
                }
            }
        } catch {
            switch error {
            case .input(let failure): throw failure
            case .content(let reason): return fault(reason)
            }
        }
    }

    private func begin() throws(MessagePackReader.Failure) {
        let header = try reader.header()
        switch header.kind {
        case .array:
            sawNodes = true
            state = .nodes(left: header.count, pairs: nil)
        case .map: state = .map(pairs: header.count)
        default: throw .content(.wrongType("file", expected: "a list of nodes, or a map that holds one"))
        }
    }

    /// Whatever has been read, more than one value is no file of OpenDHT's.
    private func end() throws(MessagePackReader.Failure) -> ImportItem? {
        guard sawNodes else { return fault(.missing("nodes")) }
        guard try reader.isAtEnd() else { return fault(.behindEnd) }
        state = .done
        return nil
    }

    private func member(pairsBehind pairs: Int) throws(MessagePackReader.Failure) -> ImportItem? {
        let name = try key()
        if name == "id" {
            // A node that has none yet writes zeros.
            guard let bytes = try blob({ $0 == idCount }), bytes.contains(where: { $0 != 0 }) else { return nil }
            return PeerID(bytes).map(ImportItem.localID)
        }
        guard name == "nodes" else {
            try reader.skip()
            return nil
        }
        let header = try reader.header()
        guard header.kind == .array else { throw .content(.wrongType("nodes", expected: "a list")) }
        sawNodes = true
        state = .nodes(left: header.count, pairs: pairs)
        return nil
    }

    private func node() throws(MessagePackReader.Failure) -> ImportItem {
        let place = Place.offset(reader.offset)
        let map = try reader.header()
        guard map.kind == .map else {
            try reader.skip(contentsOf: map)
            return .rejected(Rejection(place: place, reason: .wrongType("node", expected: "a map")))
        }
        var id: PeerID?
        var endpoint: UDPEndpoint?
        var problem: RejectionReason?
        for _ in 0..<map.count {
            switch try key() {
            case "id":
                id = try blob { $0 == idCount }.flatMap { PeerID($0) }
                if id == nil { problem = problem ?? .wrongType("id", expected: "\(idCount) bytes") }
            case "addr":
                endpoint = try blob { $0 == 16 || $0 == 28 }.flatMap(SocketAddress.endpoint)
                if endpoint == nil {
                    problem = problem ?? .wrongType("addr", expected: "a socket address of 16 or 28 bytes")
                }
            default: try reader.skip()
            }
        }
        if let problem { return .rejected(Rejection(place: place, reason: problem)) }
        guard let id else { return .rejected(Rejection(place: place, reason: .missing("id"))) }
        guard let endpoint else { return .rejected(Rejection(place: place, reason: .missing("addr"))) }
        return .peer(ImportedPeer(id: id, addresses: [.init(endpoint.multiaddr)]), key: nil, at: place)
    }

    /// A key; nil for one that is none of ours, or no text.
    private func key() throws(MessagePackReader.Failure) -> String? {
        guard let bytes = try blob({ $0 <= 8 }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Bytes of a length that `fits`, which is bounded; nil for anything else, which is passed over. Strings count as
    /// bytes: early MessagePack had one type for both.
    private func blob(_ fits: (Int) -> Bool) throws(MessagePackReader.Failure) -> [UInt8]? {
        let header = try reader.header()
        guard header.kind == .binary || header.kind == .string, fits(header.count) else {
            try reader.skip(contentsOf: header)
            return nil
        }
        return try reader.bytes(header.count)
    }

    private func fault(_ reason: RejectionReason) -> ImportItem {
        state = .done
        return .fault(ImportFault(place: .offset(reader.offset), reason: reason))
    }
}
