import KadStore
import Kademlia
import Multiformats

/// The DHT state in libtorrent's session files: bencode with a dictionary `dht state`, as `write_session_params` and the
/// older `save_state` wrap it (libtorrent, `src/kademlia/dht_state.cpp`).
///
///     dht state = { node-id: [id address …], nodes: [endpoint …], nodes6: [endpoint …] }
///     id        = 20 bytes, then the 4 or 16 of the local address that it is for; older: 20 bytes alone
///     endpoint  = 4 or 16 bytes of address, 2 of port, big-endian: 6 or 18, mixed in one list
///
/// The endpoints have no ids: they are candidates. `node-id` holds the session's own.
enum LibtorrentFormat: FormatCodec {
    static var summary: String { "libtorrent's session state ('dht state' in session_params or save_state)" }
    static var networks: [Network]? { [.mainline] }
    static var isText: Bool { false }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        sample.bencodeKeys.contains("dht state") ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        EndpointReader(input, network: network, EndpointLayout(dictionary: "dht state", ownID: "node-id"))
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { LibtorrentWriter(context.identity?.peer.id) }
}

/// A session file of nothing but the state: what else a session has is kept from elsewhere, or its default.
///
/// A session asks the endpoints in their order when it starts, each to find nodes near itself, and takes the first 100
/// (`traversal_algorithm::add_entry`): more are not written. Those of its socket's family come first, so they stand in
/// `nodes` and `nodes6` apart. An own id is written for the address 0.0.0.0, for which it holds where a session listens
/// there; a session whose address is another, or does not fit the id (BEP 42), makes a new one.
private final class LibtorrentWriter: FormatWriter {
    private static let limit = 100

    private let ownID: PeerID?
    private var nodes = BestNodes(limit: LibtorrentWriter.limit, withIDs: false)

    init(_ ownID: PeerID?) { self.ownID = ownID }

    var leftOut: Int { nodes.leftOut }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) { nodes.add(peer) }
    func append(_ candidate: Candidate, to output: inout [UInt8]) { nodes.add(candidate) }

    func end(_ output: inout [UInt8]) {
        let endpoints = nodes.sorted().flatMap(\.endpoints)
        var bencode = BencodeWriter()
        bencode.dictionary {
            $0.key("dht state")
            $0.dictionary {
                if let ownID {
                    $0.key("node-id")
                    $0.list { $0.string(Array(ownID.bytes) + [0, 0, 0, 0]) }
                }
                $0.key("nodes")
                $0.list { for endpoint in endpoints where endpoint.isV4 { $0.string(endpoint.compact) } }
                $0.key("nodes6")
                $0.list { for endpoint in endpoints where !endpoint.isV4 { $0.string(endpoint.compact) } }
            }
        }
        output.append(contentsOf: bencode.bytes)
    }
}
