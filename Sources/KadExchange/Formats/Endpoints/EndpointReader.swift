import KadStore
import Kademlia
import Multiformats

/// Where a bencoded file keeps the endpoints of nodes.
struct EndpointLayout {
    /// The member of the file's dictionary that holds them; nil for the dictionary itself.
    let dictionary: StaticString?
    /// The member that holds the writer's own id, or a list of them.
    let ownID: StaticString
}

/// Reads nodes' endpoints from bencode. In the dictionary that the layout names, `nodes` and `nodes6` are either lists of
/// endpoints, 6 or 18 bytes each and mixed, or one string of endpoints, of 6 bytes in `nodes` and of 18 in `nodes6`.
final class EndpointReader: FormatReader {
    /// A session file has some kilobytes; much of it may be settings.
    private static let limit = 64 << 20

    private let input: ByteInput
    private let idCount: Int
    private let layout: EndpointLayout
    private var base: Int64 = 0
    private var reader: BencodeReader?
    /// The keys of the dictionaries that are open, by depth; nil inside a list.
    private var path: [Range<Int>?] = []
    /// What is left of a string of endpoints, and how long each is.
    private var endpoints: Range<Int>?
    private var endpointSize = 6
    private var sawNodes = false
    private var isDone = false

    init(_ input: ByteInput, network: Network, _ layout: EndpointLayout) {
        self.input = input
        self.layout = layout
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
            guard let reader, sawNodes else { throw .missing(layout.dictionary.map { "\($0)" } ?? "nodes") }
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
            if let dictionary = layout.dictionary {
                if path.count == 1, isName(name, dictionary) { sawNodes = true }
            } else if path.count == 1, isName(name, "nodes") || isName(name, "nodes6") {
                sawNodes = true
            }
        case .beginDictionary, .beginList: path.append(nil)
        case .end: path.removeLast()
        case .integer: break
        case .string(let value): return string(value)
        }
        return nil
    }

    /// A string counts where it is a value in the dictionary, or an element of a list there.
    private func string(_ value: Range<Int>) -> ImportItem? {
        var inner = path[...]
        if let dictionary = layout.dictionary {
            guard let outer = inner.popFirst(), let outer, isName(outer, dictionary) else { return nil }
        }
        guard inner.count == 1 || inner.count == 2 && inner.last == .some(nil), let key = inner.first, let name = key
        else { return nil }
        if isName(name, layout.ownID) {
            guard value.count >= idCount, let bytes = reader?.bytes,
                let id = PeerID(Array(bytes[value.prefix(idCount)]))
            else { return nil }
            return .localID(id)
        }
        guard isName(name, "nodes") || isName(name, "nodes6") else { return nil }
        guard inner.count == 1 else { return endpoint(value) }
        // One string of endpoints of one length.
        let size = isName(name, "nodes") ? 6 : 18
        guard value.count.isMultiple(of: size) else {
            return .rejected(Rejection(place: place(value), reason: .endpointLength(value.count)))
        }
        endpoints = value
        endpointSize = size
        return nextEndpoint()
    }

    private func nextEndpoint() -> ImportItem? {
        guard let rest = endpoints, !rest.isEmpty else { return nil }
        let value = rest.prefix(endpointSize)
        endpoints = rest.dropFirst(endpointSize)
        return endpoint(value)
    }

    private func endpoint(_ value: Range<Int>) -> ImportItem {
        guard let bytes = reader?.bytes[value], let endpoint = UDPEndpoint(compact: bytes) else {
            return .rejected(Rejection(place: place(value), reason: .endpointLength(value.count)))
        }
        return .candidate(endpoint.multiaddr, firstSeen: nil, lastSeen: nil, at: place(value))
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
