import KadStore
import Kademlia
import Multiformats

/// The DHT state in libtorrent's session files: bencode with a dictionary `dht state`, as `write_session_params` and the
/// older `save_state` wrap it (libtorrent, `src/kademlia/dht_state.cpp`).
///
///     dht state = { node-id: [id address …], nodes: [endpoint …], nodes6: [endpoint …] }
///     id        = 20 bytes, then the 4 or 16 of the address that it is derived from; older: 20 bytes alone
///     endpoint  = 4 or 16 bytes of address, 2 of port, big-endian: 6 or 18, mixed in one list
///
/// Also read are lists that are one string of endpoints, as compact node lists are elsewhere. The endpoints have no ids:
/// they are candidates. `node-id` holds the session's own.
enum LibtorrentFormat: FormatCodec {
    static var summary: String { "libtorrent's session state ('dht state' in session_params or save_state)" }
    static var networks: [Network]? { [.mainline] }
    static var isText: Bool { false }

    static func recognise(_ sample: FileSample) -> Recognition {
        guard sample.first == UInt8(ascii: "d"), sample.bytes.count > 1,
            sample.bytes[1] &- UInt8(ascii: "0") < 10 || sample.bytes[1] == UInt8(ascii: "e")
        else { return .no }
        var reader = BencodeReader(Array(sample.bytes))
        var names: [[UInt8]] = []
        while let event = try? reader.next() {
            guard case .key(let range) = event, reader.depth == 1 else { continue }
            names.append(Array(reader.bytes[range]))
        }
        func has(_ name: String) -> Bool { names.contains(Array(name.utf8)) }
        if has("dht state") { return .yes() }
        if has("id"), has("nodes") || has("nodes6") {
            return .known("looks like Transmission's dht.dat, which this version does not read.")
        }
        if has("info") || has("announce") { return .known("a torrent file: it names no DHT nodes that are peers.") }
        return .known("bencode without a 'dht state': not a session file of libtorrent.")
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        LibtorrentReader(input, network: network)
    }
}

private final class LibtorrentReader: FormatReader {
    /// A session file has some kilobytes; much of it may be settings.
    private static let limit = 64 << 20

    private let input: ByteInput
    private let idCount: Int
    private var base: Int64 = 0
    private var reader: BencodeReader?
    /// The keys of the dictionaries that are open, by depth; nil inside a list.
    private var path: [Range<Int>?] = []
    private var endpoints: Range<Int>?
    private var sawState = false
    private var isDone = false

    init(_ input: ByteInput, network: Network) {
        self.input = input
        idCount = network.keyByteCount
    }

    func next() throws(ExchangeError) -> ImportItem? {
        if reader == nil, let fault = try load() { return fault }
        guard !isDone else { return nil }
        do throws(RejectionReason) {
            while true {
                if let item = nextEndpoint() { return item }
                guard let event = try reader?.next() else { break }
                if let item = take(event) { return item }
            }
            isDone = true
            guard let reader, sawState else { throw .missing("dht state") }
            return reader.offset < reader.bytes.count ? fault(.behindEnd) : nil
        } catch {
            isDone = true
            return fault(error)
        }
    }

    private func load() throws(ExchangeError) -> ImportItem? {
        try input.fill(atLeast: Self.limit + 1)
        base = input.offset
        guard input.window.count <= Self.limit else {
            isDone = true
            reader = BencodeReader([])
            return fault(.tooLong(limit: Self.limit))
        }
        // Recognition passes over blanks; bencode itself has none.
        reader = BencodeReader(Array(input.window.drop { $0 == 0x0a || $0 == 0x0d || $0 == 0x20 || $0 == 0x09 }))
        base += Int64(input.window.count - (reader?.bytes.count ?? 0))
        input.consume(input.window.count)
        return nil
    }

    private func take(_ event: BencodeReader.Event) -> ImportItem? {
        switch event {
        case .key(let name):
            if !path.isEmpty { path[path.count - 1] = name }
            if path.count == 1, isName(name, "dht state") { sawState = true }
        case .beginDictionary, .beginList: path.append(nil)
        case .end: path.removeLast()
        case .integer: break
        case .string(let value): return string(value)
        }
        return nil
    }

    /// A string counts where it is a value in the state, or an element of a list there.
    private func string(_ value: Range<Int>) -> ImportItem? {
        guard path.count == 2 || path.count == 3 && path[2] == nil, let first = path[0], isName(first, "dht state"),
            let name = path[1]
        else { return nil }
        if isName(name, "node-id") {
            guard value.count >= idCount, let bytes = reader?.bytes,
                let id = PeerID(Array(bytes[value.prefix(idCount)]))
            else { return nil }
            return .localID(id)
        }
        guard isName(name, "nodes") || isName(name, "nodes6") else { return nil }
        guard path.count == 2 else { return endpoint(value) }
        // One string of endpoints of one length.
        let size = isName(name, "nodes") ? 6 : 18
        guard value.count.isMultiple(of: size) else {
            return .rejected(Rejection(place: place(value), reason: .endpointLength(value.count)))
        }
        endpoints = value
        endpointSize = size
        return nextEndpoint()
    }

    private var endpointSize = 6

    private func nextEndpoint() -> ImportItem? {
        guard let rest = endpoints, !rest.isEmpty else { return nil }
        let value = rest.prefix(endpointSize)
        endpoints = rest.dropFirst(endpointSize)
        return endpoint(value)
    }

    private func endpoint(_ value: Range<Int>) -> ImportItem {
        guard value.count == 6 || value.count == 18, let bytes = reader?.bytes[value],
            let ip = IPAddress(bytes: bytes.dropLast(2))
        else { return .rejected(Rejection(place: place(value), reason: .endpointLength(value.count))) }
        let port = bytes.suffix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
        return .candidate(Multiaddr(ip: ip, udp: port), firstSeen: nil, lastSeen: nil, at: place(value))
    }

    private func isName(_ range: Range<Int>, _ name: StaticString) -> Bool {
        guard let bytes = reader?.bytes else { return false }
        return bytes.withUnsafeBufferPointer { $0.part(range).equals(name) }
    }

    private func place(_ range: Range<Int>) -> Place { .offset(base + Int64(range.lowerBound)) }

    private func fault(_ reason: RejectionReason) -> ImportItem {
        .fault(ImportFault(place: .offset(base + Int64(reader?.offset ?? 0)), reason: reason))
    }
}
