import KadStore
import Kademlia
import Multiformats

/// Reads rows, and brings those of one peer that follow each other together.
final class CSVReader: FormatReader {
    private let network: Network
    private let networkName: [UInt8]
    private var rows: CSVRowReader
    /// The place of each column; nil before the header was read.
    private var columns: Columns?
    private var pending: Pending?
    private var agents = InternCache<String>()
    private var protocols = InternCache<[String]>()
    private var sources = InternCache<String>()
    /// The first row of the peer that was returned last; nil when the row that was read last was returned.
    private var returned: [UInt8]?
    /// The header cannot be used: no row can then.
    private var isDone = false

    private struct Pending {
        var peer: ImportedPeer
        /// What the row says of the peer, field behind field, and where each ends: see ``Columns/ofPeer``.
        var said: [UInt8]
        var ends: [Int]
        var key: Key?
        var place: Place
        var row: [UInt8]
    }

    init(_ input: ByteInput, network: Network) {
        self.network = network
        networkName = Array(network.name.utf8)
        rows = CSVRowReader(input)
    }

    func record(limit: Int) -> [UInt8]? { returned.map { Array($0.prefix(limit)) } ?? rows.text(limit: limit) }

    func next() throws(ExchangeError) -> ImportItem? {
        returned = nil
        guard !isDone else { return nil }
        while let row = try rows.next() {
            let place = Place.line(rows.number)
            switch row {
            case .blank: continue
            case .problem(let reason): return .rejected(Rejection(place: place, reason: reason))
            case .fields: break
            }
            guard let columns else {
                guard let fault = readHeader() else { continue }
                isDone = true
                return .fault(ImportFault(place: place, reason: fault))
            }
            do throws(RejectionReason) {
                try checkNetwork(columns)
                if rows.raw(columns[.id]).isEmpty { throw .missing("id") }
                if try joins(columns) { continue }
                let begun = try begin(columns, place)
                defer { pending = begun }
                if let done = finished() { return done }
            } catch {
                return .rejected(Rejection(place: place, reason: error, text: rows.raw(columns[.id])))
            }
        }
        defer { pending = nil }
        return finished()
    }

    private func finished() -> ImportItem? {
        guard let pending else { return nil }
        returned = pending.row
        return .peer(pending.peer, key: pending.key, at: pending.place)
    }

    private func readHeader() -> RejectionReason? {
        let names = rows.fields.indices.map { CSVHeader.name(rows.raw($0)) }
        guard names.contains(.id) else { return .missing("id") }
        columns = Columns(names)
        return nil
    }

    private func checkNetwork(_ columns: Columns) throws(RejectionReason) {
        guard columns.has(.network) else { return }
        let name = rows.raw(columns[.network])
        guard !name.isEmpty, !networkName.withUnsafeBufferPointer(name.equals) else { return }
        throw .otherNetwork(String(decoding: name.part(0..<64), as: UTF8.self))
    }

    /// Whether the row is one more address of the peer of the row before, and says nothing new of it; it is then added.
    /// What it says otherwise is another record, to be merged by the rules for all.
    private func joins(_ columns: Columns) throws(RejectionReason) -> Bool {
        guard let known = pending, known.peer.addresses.count < AddressRecord.maximumPerPeer,
            says(known, columns)
        else { return false }
        guard let address = try address(columns, of: known.peer.id) else { return true }
        pending?.peer.addresses.append(address)
        return true
    }

    private func says(_ known: Pending, _ columns: Columns) -> Bool {
        var start = 0
        for (place, end) in zip(columns.ofPeer, known.ends) {
            guard known.said.withUnsafeBufferPointer({ rows.raw(place).equals($0.part(start..<end)) }) else {
                return false
            }
            start = end
        }
        return true
    }

    private func begin(_ columns: Columns, _ place: Place) throws(RejectionReason) -> Pending {
        let id = try rows.withField(columns[.id]) { (text) throws(RejectionReason) in
            do throws(PeerIDError) {
                return try network.idEncoding.decode(utf8: text)
            } catch {
                throw .peerID(error)
            }
        }
        var peer = ImportedPeer(id: id)
        if let address = try address(columns, of: id) { peer.addresses = [address] }
        peer.firstSeen = try instant(.firstSeen, columns)
        peer.lastSeen = try instant(.lastSeen, columns)
        // Here, and not with the other records, because other rows may be of the same peer.
        if let first = peer.firstSeen, let last = peer.lastSeen, first > last {
            throw .contradiction("first_seen_ms is after last_seen_ms")
        }
        peer.lastOK = try instant(.lastOK, columns)
        peer.successes = Int(clamping: try count(.successes, columns) ?? 0)
        if let rtt = try count(.rtt, columns) { peer.rtt = RTTEstimate(first: rtt) }
        if columns.has(.agent) {
            let agent = try rows.withField(columns[.agent]) { (bytes) throws(RejectionReason) in
                try agents.value(of: bytes, Self.text)
            }
            peer.agent = agent.isEmpty ? nil : agent
        }
        if columns.has(.protocols) {
            peer.protocols = try rows.withField(columns[.protocols]) { (bytes) throws(RejectionReason) in
                try protocols.value(of: bytes, Self.protocols)
            }
        }
        if columns.has(.source) {
            let source = try rows.withField(columns[.source]) { (bytes) throws(RejectionReason) in
                try sources.value(of: bytes, Self.text)
            }
            peer.source = source.isEmpty ? nil : source
        }
        var key: Key?
        if columns.has(.key), !rows.raw(columns[.key]).isEmpty {
            key = Key(hex: String(decoding: rows.raw(columns[.key]).part(0..<128), as: UTF8.self))
            if key == nil { throw .wrongType("key", expected: "a key in hexadecimal") }
        }
        var begun = Pending(
            peer: peer, said: [], ends: [], key: key, place: place, row: rows.text(limit: Rejection.byteLimit) ?? [])
        for place in columns.ofPeer {
            begun.said += rows.raw(place)
            begun.ends.append(begun.said.count)
        }
        return begun
    }

    private func address(_ columns: Columns, of id: PeerID) throws(RejectionReason) -> ImportedPeer.Address? {
        guard columns.has(.address), !rows.raw(columns[.address]).isEmpty else { return nil }
        let multiaddr = try rows.withField(columns[.address]) { (text) throws(RejectionReason) in
            do throws(MultiaddrError) {
                return try Multiaddr(utf8: text)
            } catch {
                throw .address(error)
            }
        }
        if let named = multiaddr.peerID, named != id { throw .otherPeer }
        var address = ImportedPeer.Address(multiaddr)
        address.lastOK = try instant(.addressLastOK, columns)
        address.failures = Int(clamping: try count(.addressFailures, columns) ?? 0)
        return address
    }

    private func number(_ column: CSVColumn, _ columns: Columns) throws(RejectionReason) -> Int64? {
        guard columns.has(column) else { return nil }
        let text = rows.raw(columns[column]).trimmed
        guard !text.isEmpty else { return nil }
        guard let value = Decimal.parse(text) else {
            throw .wrongType(column.rawValue, expected: "a whole number")
        }
        return value
    }

    private func instant(_ column: CSVColumn, _ columns: Columns) throws(RejectionReason) -> Instant? {
        try number(column, columns).map(Instant.init(milliseconds:))
    }

    private func count(_ column: CSVColumn, _ columns: Columns) throws(RejectionReason) -> Int64? {
        guard let value = try number(column, columns) else { return nil }
        guard value >= 0 else { throw .wrongType(column.rawValue, expected: "a number from 0") }
        return value
    }

    private static func text(_ bytes: UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        return text
    }

    private static func protocols(_ bytes: UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> [String] {
        let all = try text(bytes)
        return all.split(separator: " ").prefix(PeerRecord.maximumProtocols).map { name in
            guard name.contains("%") else { return String(name) }
            return name.split(separator: "%25", omittingEmptySubsequences: false)
                .map { $0.split(separator: "%20", omittingEmptySubsequences: false).joined(separator: " ") }
                .joined(separator: "%")
        }
    }
}

extension CSVReader {
    /// Where each column stands.
    struct Columns {
        private var places: [Int]
        /// Where what a row says of its peer stands, and not of one address: the id first, in which most rows differ.
        private(set) var ofPeer: [Int] = []

        init(_ names: [CSVColumn?]) {
            places = CSVColumn.allCases.map { column in names.firstIndex(of: column) ?? .max }
            let columns: [CSVColumn] = [
                .id, .key, .firstSeen, .lastSeen, .lastOK, .successes, .rtt, .agent, .protocols, .source,
            ]
            ofPeer = columns.filter(has).map { self[$0] }
        }

        subscript(column: CSVColumn) -> Int { places[column.ordinal] }

        func has(_ column: CSVColumn) -> Bool { places[column.ordinal] != .max }
    }
}

extension CSVColumn {
    fileprivate var ordinal: Int {
        switch self {
        case .id: 0
        case .address: 1
        case .firstSeen: 2
        case .lastSeen: 3
        case .lastOK: 4
        case .successes: 5
        case .failures: 6
        case .rtt: 7
        case .addressLastOK: 8
        case .addressFailures: 9
        case .agent: 10
        case .protocols: 11
        case .source: 12
        case .network: 13
        case .key: 14
        }
    }
}
