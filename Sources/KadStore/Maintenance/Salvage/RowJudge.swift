import Crypto
import Kademlia
import Multiformats

/// Whether a row of a table can be what this software wrote: everything that a check of a sound store looks for, row by row.
///
/// Columns are taken by their place, which no released schema changes.
struct RowJudge {
    /// Nil while it is not known.
    var network: Network?
    /// Sources that addresses name: whether they have rows is seen when all are in. Nil when they are too many to keep.
    private(set) var addressSources: Set<Int64>? = []

    /// Those of an honest store are a few: formats and commands.
    private static let maximumSources = 65_536

    private static let classes = 1...Int64(FailureClass.allCases.map(\.rawValue).max() ?? 0)
    private static let reasons = 1...Int64(Lookup.FinishReason.allCases.map(\.rawValue).max() ?? 0)
    /// Instants of rows that nothing but their shape tells the table of: from 1973 to 2286. Counters and numbers of rows are
    /// below, keys and random numbers nearly always above.
    private static let instants: ClosedRange<Int64> = 100_000_000_000...10_000_000_000_000

    /// The tables whose rows are taken over. What the others hold is counted or made anew.
    static let tables: Set<String> = [
        "network", "clock", "agent", "protocol_set", "source", "peer", "failure", "backoff", "candidate", "tombstone",
        "identity", "bucket", "member", "held", "witness", "canary", "session", "lookup_summary", "lookup_total",
        "value",
        "provider", "crawl", "crawl_total", "visit",
    ]

    init(network: Network?) { self.network = network }

    /// - Parameter isOrphan: whether only the row itself says of which table it is.
    /// - Returns: nil for a row that can be kept.
    mutating func fault(_ row: [RawValue], in table: TableLayout, isOrphan: Bool) -> LostRow.Reason? {
        switch RowSeal.verdict(row, in: table) {
        case .broken: return .seal
        case .sound: break
        case .unsealed:
            if isOrphan, let column = Self.instantColumn(table.name), !Self.isInstant(row, column) { return .shape }
        }
        return isPlausible(row, in: table.name) ? nil : .implausible
    }

    private static func isInstant(_ row: [RawValue], _ column: Int) -> Bool {
        row[column].integer.map(instants.contains) ?? false
    }

    /// A column that is never null and says when, of tables whose rows another's could be taken for.
    private static func instantColumn(_ table: String) -> Int? {
        switch table {
        case "canary", "session", "tombstone", "clock": 1
        case "crawl": 1
        case "candidate", "backoff", "visit": 2
        case "peer", "held", "witness": table == "witness" ? 2 : 3
        case "failure": 4
        default: nil
        }
    }

    private mutating func isPlausible(_ row: [RawValue], in table: String) -> Bool {
        switch table {
        case "peer": return isPeer(row)
        case "failure":
            return isKey(row[0]) && isAddress(row[1], orEmpty: true) && isClass(row[2]) && isAtLeast(row[3], 1)
                && isOrdered(row[4], row[5])
        case "backoff":
            return isKey(row[0]) && isClass(row[3]) && isWithin(row[4], 0...0xffff_ffff) && isWithin(row[5], 0...32)
                && isWithin(row[6], 0...2)
        case "candidate": return isAddress(row[0], orEmpty: false) && isAtLeast(row[4], 0)
        case "tombstone":
            let isWaiting = row[3] != .null
            let wait = row[4].integer
            return isKey(row[0]) && (!isWaiting || wait != nil) && (wait ?? 0) >= 0
                && (row.count < 6 || isClass(row[5]))
        case "value":
            return isContentKey(row[1]) && isWithin(row[4], 0...1)
                && (row[5].blob?.count ?? .max) <= StoredValue.maximumValueBytes
        case "provider": return isProvider(row)
        case "visit": return isKey(row[0]) && isOutcome(row[1])
        default: return isOther(row, in: table)
        }
    }

    private func isOther(_ row: [RawValue], in table: String) -> Bool {
        switch table {
        case "network": Self.network(row) != nil
        case "clock": isWithin(row[0], 1...1) && isAtLeast(row[2], 0)
        case "identity": isDerived(key: row[2], id: row[1])
        case "bucket": isWithin(row[1], 0...255)
        case "member":
            isWithin(row[1], 0...255) && isWithin(row[2], 0...1) && isKey(row[4]) && isGroup(row[5])
                && isWithin(row[9], 0...1) && isAtLeast(row[10], 0)
        case "held":
            isKey(row[0]) && isGroup(row[1]) && isClass(row[2]) && isWithin(row[4], 0...1) && isAtLeast(row[5], 1)
        case "witness": isWithin(row[0], 0...1) && isGroup(row[1])
        case "canary": isWithin(row[0], 1...1)
        case "session": isOrdered(row[0], row[1])
        case "lookup_summary": isWithin(row[3], Self.reasons) && row[4...].prefix(13).allSatisfy { isAtLeast($0, 0) }
        case "lookup_total": isWithin(row[0], Self.reasons) && row[1...].prefix(7).allSatisfy { isAtLeast($0, 0) }
        case "crawl":
            isWithin(row[3], 0...1) && (row[2] == .null ? row[3] == .integer(0) : isOrdered(row[1], row[2]))
        case "crawl_total": isOutcome(row[1]) && isAtLeast(row[2], 0)
        default: true
        }
    }

    private mutating func isPeer(_ row: [RawValue]) -> Bool {
        guard isDerived(key: row[0], id: row[1]), isOrdered(row[3], row[4]), let blob = row[2].blob,
            let first = row[3].integer, let last = row[4].integer
        else { return false }
        let base = AddressCodec.Base(
            firstSeen: Instant(milliseconds: first), lastSeen: Instant(milliseconds: last),
            lastOK: row[5].integer.map(Instant.init(milliseconds:)), source: row[14].integer)
        guard let entries = AddressCodec.decode(blob, base: base), entries.count <= AddressRecord.maximumPerPeer,
            Set(entries.map(\.record.address)).count == entries.count
        else { return false }
        guard (row[6] == .null) == (row[7] == .null), (row[7].integer ?? 0) >= 0 else { return false }
        guard (row[8] == .null) == (row[9] == .null), (row[8].integer ?? 0) >= 0, (row[9].integer ?? 0) >= 0,
            isAtLeast(row[10], 0)
        else { return false }
        for entry in entries { if let source = entry.source { addressSources?.insert(source) } }
        if addressSources?.count ?? 0 > Self.maximumSources { addressSources = nil }
        return true
    }

    private func isProvider(_ row: [RawValue]) -> Bool {
        guard isContentKey(row[0]), isDerived(key: row[1], id: row[2]), let blob = row[3].blob, isWithin(row[6], 0...1),
            let (addresses, _) = RecordReader.addresses(Array(blob), at: Instant(milliseconds: 0))
        else { return false }
        return addresses.count <= StoredProvider.maximumAddresses
    }

    // MARK: Columns

    private func isKey(_ value: RawValue) -> Bool {
        guard let count = value.blob?.count else { return false }
        return network.map { $0.keyByteCount == count } ?? [16, 20, 32].contains(count)
    }

    private func isDerived(key: RawValue, id: RawValue) -> Bool {
        guard isKey(key), let key = key.blob, let id = id.blob, let peer = PeerID(Array(id)) else { return false }
        if let network { return (try? network.key(of: peer)) == Key(bytes: key) }
        return Self.derivation(key: key, id: id) != nil
    }

    /// How a key may have come from an id.
    static func derivation(key: ArraySlice<UInt8>, id: ArraySlice<UInt8>) -> Network.Derivation? {
        if key == id { return .identity }
        return SHA256.hash(data: Array(id)).elementsEqual(key) ? .sha256 : nil
    }

    private func isContentKey(_ value: RawValue) -> Bool {
        (1...StoredValue.maximumKeyBytes).contains(value.blob?.count ?? 0)
    }

    private func isAddress(_ value: RawValue, orEmpty: Bool) -> Bool {
        guard let bytes = value.blob else { return false }
        return bytes.isEmpty ? orEmpty : (try? Multiaddr(bytes: bytes)) != nil
    }

    private func isGroup(_ value: RawValue) -> Bool { value.blob.map { NetworkGroup(bytes: $0) != nil } ?? true }

    private func isClass(_ value: RawValue) -> Bool { isWithin(value, Self.classes) }

    private func isOutcome(_ value: RawValue) -> Bool { value.integer.map { VisitOutcome(number: $0) != nil } ?? false }

    private func isOrdered(_ first: RawValue, _ last: RawValue) -> Bool {
        guard let first = first.integer, let last = last.integer else { return false }
        return first <= last
    }

    private func isAtLeast(_ value: RawValue, _ least: Int64) -> Bool { value.integer.map { $0 >= least } ?? false }

    private func isWithin(_ value: RawValue, _ range: ClosedRange<Int64>) -> Bool {
        value.integer.map(range.contains) ?? false
    }

    /// What a row of table network describes.
    static func network(_ row: [RawValue]) -> (network: Network, scope: Scope)? {
        guard row.count >= 9, row[0] == .integer(1), let name = row[1].text,
            let scope = row[2].text.flatMap(Scope.init(rawValue:)),
            let derivation = row[3].text.flatMap(Network.Derivation.init(rawValue:)), let bits = row[4].integer,
            let encoding = row[5].text.flatMap(PeerIDEncoding.init(rawValue:)), let cap = row[7].integer, cap > 0,
            row[8].blob?.count == 32,
            let network = try? Network(
                name: name, derivation: derivation, keyBits: Int(clamping: bits), idEncoding: encoding)
        else { return nil }
        return (network, scope)
    }
}
