import KadStore
import Kademlia
import Multiformats

/// Transmission's `dht.dat`: bencode (libtransmission, `tr-dht.c` of 3.x and `tr-dht.cc` of 4.x).
///
///     { id: 20 bytes, id_timestamp: seconds (4.x), nodes: n · 6 bytes, nodes6: n · 18 bytes }
///
/// The endpoints have no ids: they are candidates. `id` is the program's own.
enum TransmissionFormat: FormatCodec {
    static var summary: String { "Transmission's dht.dat" }
    static var networks: [Network]? { [.mainline] }
    static var isText: Bool { false }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        let names = sample.bencodeKeys
        guard names.contains("nodes") || names.contains("nodes6"),
            names.allSatisfy(["id", "id_timestamp", "nodes", "nodes6"].contains)
        else { return .no }
        return .yes()
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        EndpointReader(input, network: network, EndpointLayout(dictionary: nil, ownID: "id"))
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { TransmissionWriter(context.identity) }
}

/// A `dht.dat` that 3.x and 4.x read.
///
/// Transmission writes 300 endpoints of a family at most, and asks them one by one in their order, the first eight two
/// seconds apart, then more slowly, until it knows enough: more than 300 nodes are not written. Without an id it makes
/// one up. 4.x keeps an id for 30 days from `id_timestamp`, which is when the store's identity was made; 3.x has no such
/// limit.
private final class TransmissionWriter: FormatWriter {
    private static let limit = 300

    private let identity: Identity?
    private var nodes = BestNodes(limit: TransmissionWriter.limit, withIDs: false)

    init(_ identity: Identity?) { self.identity = identity }

    var leftOut: Int { nodes.leftOut }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) { nodes.add(peer) }
    func append(_ candidate: Candidate, to output: inout [UInt8]) { nodes.add(candidate) }

    func end(_ output: inout [UInt8]) {
        let endpoints = nodes.sorted().flatMap(\.endpoints)
        var bencode = BencodeWriter()
        bencode.dictionary {
            if let identity {
                $0.key("id")
                $0.string(identity.peer.id.bytes)
                $0.key("id_timestamp")
                $0.integer(identity.createdAt.milliseconds / 1_000)
            }
            $0.key("nodes")
            $0.string(endpoints.filter(\.isV4).flatMap(\.compact))
            let v6 = endpoints.filter { !$0.isV4 }.flatMap(\.compact)
            if !v6.isEmpty {
                $0.key("nodes6")
                $0.string(v6)
            }
        }
        output.append(contentsOf: bencode.bytes)
    }
}
