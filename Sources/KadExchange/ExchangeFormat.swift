import KadStore

/// A file format that peers come in or go out.
public enum ExchangeFormat: String, Hashable, Sendable, CaseIterable {
    /// Our own: JSON Lines, everything a store holds.
    case native = "kadstore"
    /// A row for each peer and address.
    case csv
    /// A multiaddr a line.
    case multiaddrs
    /// Kubo's `Bootstrap`: a JSON array of multiaddrs, or the configuration file around it.
    case kubo
    /// What Kubo's `ipfs swarm peers` prints with options, or as JSON.
    case swarmPeers = "swarm-peers"
    /// What Kubo's `ipfs swarm addrs` prints, as text or JSON.
    case swarmAddrs = "swarm-addrs"
    /// Visits of the crawler nebula, a JSON object a line.
    case nebula
    /// Neighbours that the crawler nebula heard of, a JSON object a line.
    case nebulaNeighbors = "nebula-neighbors"
    /// The DHT state of libtorrent's session files.
    case libtorrent
    /// Transmission's `dht.dat`.
    case transmission
    /// The nodes that OpenDHT exports.
    case opendht
    /// The state that OpenDHT's nodes keep in a file.
    case opendhtState = "opendht-state"
    /// `nodes.json` of geth's `devp2p` tool.
    case devp2p
    /// py-libp2p's persistent peerstore, an SQLite file.
    case pyLibp2p = "py-libp2p"

    /// The name on the command line.
    public var name: String { rawValue }

    /// What it is, in a few words.
    public var summary: String { codec.summary }

    /// The networks it carries; nil for any.
    public var networks: [Network]? { codec.networks }

    public var canImport: Bool { true }

    public var canExport: Bool { codec.canExport }

    /// Whether its files are text.
    public var isText: Bool { codec.isText }

    /// Whether a restore can read it: whether it carries everything.
    public var canRestore: Bool { self == .native }

    public static var importable: [ExchangeFormat] { allCases.filter(\.canImport) }
    public static var exportable: [ExchangeFormat] { allCases.filter(\.canExport) }

    /// The one place where formats are listed: a new one is a case, a line here, and a folder beside the others.
    var codec: any FormatCodec.Type {
        switch self {
        case .native: NativeFormat.self
        case .csv: CSVFormat.self
        case .multiaddrs: MultiaddrsFormat.self
        case .kubo: KuboFormat.self
        case .swarmPeers: SwarmPeersFormat.self
        case .swarmAddrs: SwarmAddrsFormat.self
        case .nebula: NebulaFormat.self
        case .nebulaNeighbors: NebulaNeighborsFormat.self
        case .libtorrent: LibtorrentFormat.self
        case .transmission: TransmissionFormat.self
        case .opendht: OpenDHTFormat.self
        case .opendhtState: OpenDHTStateFormat.self
        case .devp2p: Devp2pFormat.self
        case .pyLibp2p: PyLibp2pFormat.self
        }
    }

    /// Whether peers of a network can stand in this format.
    public func carries(_ network: Network) -> Bool { networks?.contains(network) ?? true }
}

/// What a format must offer.
protocol FormatCodec {
    static var summary: String { get }
    /// The networks it carries; nil for any.
    static var networks: [Network]? { get }
    static var isText: Bool { get }
    static var canExport: Bool { get }

    /// Whether a file that begins like this is of the format.
    static func recognise(_ sample: FileSample) -> Recognition
    /// A reader for peers of `network`.
    static func reader(_ input: ByteInput, network: Network) -> any FormatReader
    /// A writer, where the format is written.
    static func writer(_ context: ExportContext) -> (any FormatWriter)?
}

extension FormatCodec {
    static var isText: Bool { true }
    static var canExport: Bool { false }
    static func writer(_ context: ExportContext) -> (any FormatWriter)? { nil }
}

/// What a format says to the beginning of a file.
enum Recognition {
    case no
    /// It is; with the network and scope that the file states.
    case yes(network: Network? = nil, scope: Scope? = nil)
    /// It is not, but nearly; the text says what is wrong with it.
    case near(String)
    /// It is something that is known and not read; the text says what, and what to do.
    case known(String)
}
