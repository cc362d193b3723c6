import Kademlia
import Multiformats

/// The `addresses` column: a peer's addresses with their histories, in the order to dial in.
///
/// One blob beside the id rather than a table of rows, because a nearest-k returns addresses: each is then read with
/// the peer, at no seek of its own. Of an address that was only heard of, with its peer, two bytes are stored besides the
/// address itself.
///
///     entry   = length flags address [first] [last] [ok] [failures] [source]
///     length  = varint, bytes of the address (binary multiaddr)
///     flags   = 1 first | 2 last | 4 ok | 8 ok equals the peer's last_ok (no field) | 16 failures | 32 source
///     first   = zigzag varint, ms after the peer's first_seen      (without it: equal)
///     last    = zigzag varint, ms before the peer's last_seen      (without it: equal)
///     ok      = zigzag varint, ms before the peer's last_seen      (without it, and without 8: never)
///     failures = varint, in a row since the last answer            (without it: 0)
///     source  = varint, row of table source; 0 for none            (without it: the peer's)
enum AddressCodec {
    private static let hasFirst: UInt8 = 1
    private static let hasLast: UInt8 = 2
    private static let hasOK: UInt8 = 4
    private static let okIsPeers: UInt8 = 8
    private static let hasFailures: UInt8 = 16
    private static let hasSource: UInt8 = 32

    /// The columns of the peer's row that entries refer to.
    struct Base {
        var firstSeen: Instant
        var lastSeen: Instant
        var lastOK: Instant?
        var source: Int64?
    }

    static func encode(
        _ addresses: [AddressRecord], base: Base, sourceID: (String) throws -> Int64
    ) rethrows -> [UInt8] {
        var blob: [UInt8] = []
        blob.reserveCapacity(addresses.count * 14)
        for entry in addresses {
            let source = try entry.source.map(sourceID)
            var flags: UInt8 = 0
            if entry.firstSeen != base.firstSeen { flags |= hasFirst }
            if entry.lastSeen != base.lastSeen { flags |= hasLast }
            if let ok = entry.lastOK { flags |= ok == base.lastOK ? okIsPeers : hasOK }
            if entry.failures > 0 { flags |= hasFailures }
            if source != base.source { flags |= hasSource }
            Varint.append(UInt64(entry.address.bytes.count), to: &blob)
            blob.append(flags)
            blob.append(contentsOf: entry.address.bytes)
            if flags & hasFirst != 0 { appendDelta(entry.firstSeen, base.firstSeen, to: &blob) }
            if flags & hasLast != 0 { appendDelta(base.lastSeen, entry.lastSeen, to: &blob) }
            if flags & hasOK != 0, let ok = entry.lastOK { appendDelta(base.lastSeen, ok, to: &blob) }
            if flags & hasFailures != 0 { Varint.append(UInt64(entry.failures), to: &blob) }
            if flags & hasSource != 0 { Varint.append(UInt64(bitPattern: source ?? 0), to: &blob) }
        }
        return blob
    }

    /// One entry as it stands in a blob, its source not yet resolved.
    struct Entry {
        var record: AddressRecord
        var source: Int64?
    }

    /// - Returns: nil when the blob is damaged.
    static func decode(_ blob: ArraySlice<UInt8>, base: Base) -> [Entry]? {
        var entries: [Entry] = []
        var reader = AddressReader(blob)
        while let raw = reader.next() {
            guard let address = try? Multiaddr(bytes: raw.address) else { return nil }
            var record = AddressRecord(address: address, firstSeen: base.firstSeen, lastSeen: base.lastSeen)
            if let first = raw.first { record.firstSeen = Instant(milliseconds: base.firstSeen.milliseconds &+ first) }
            if let last = raw.last { record.lastSeen = Instant(milliseconds: base.lastSeen.milliseconds &- last) }
            if raw.flags & okIsPeers != 0 { record.lastOK = base.lastOK }
            if let ok = raw.ok { record.lastOK = Instant(milliseconds: base.lastSeen.milliseconds &- ok) }
            record.failures = Int(clamping: raw.failures ?? 0)
            let source = raw.source.map { $0 == 0 ? nil : Int64(bitPattern: $0) } ?? base.source
            entries.append(Entry(record: record, source: source))
        }
        return reader.isDamaged ? nil : entries
    }

    /// Walks a blob entry by entry.
    struct AddressReader {
        struct Raw {
            var flags: UInt8
            var address: ArraySlice<UInt8>
            var first, last, ok: Int64?
            var failures, source: UInt64?

            /// Whether it ever answered.
            var hasAnswered: Bool { flags & (hasOK | okIsPeers) != 0 }
        }

        private var rest: ArraySlice<UInt8>
        private(set) var isDamaged = false

        init(_ blob: ArraySlice<UInt8>) { rest = blob }

        mutating func next() -> Raw? {
            guard !rest.isEmpty, !isDamaged else { return nil }
            isDamaged = true
            guard let length = try? Varint.read(from: &rest), let flags = rest.popFirst(), flags < 64,
                length <= UInt64(rest.count)
            else { return nil }
            var raw = Raw(flags: flags, address: rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
            if flags & hasFirst != 0 {
                guard let delta = readDelta(&rest) else { return nil }
                raw.first = delta
            }
            if flags & hasLast != 0 {
                guard let delta = readDelta(&rest) else { return nil }
                raw.last = delta
            }
            if flags & hasOK != 0 {
                guard let delta = readDelta(&rest) else { return nil }
                raw.ok = delta
            }
            if flags & hasFailures != 0 {
                guard let count = try? Varint.read(from: &rest) else { return nil }
                raw.failures = count
            }
            if flags & hasSource != 0 {
                guard let source = try? Varint.read(from: &rest) else { return nil }
                raw.source = source
            }
            isDamaged = false
            return raw
        }
    }

    private static func appendDelta(_ later: Instant, _ earlier: Instant, to blob: inout [UInt8]) {
        let delta = later.milliseconds &- earlier.milliseconds
        Varint.append(UInt64(bitPattern: (delta << 1) ^ (delta >> 63)), to: &blob)
    }

    private static func readDelta(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        guard let zigzag = try? Varint.read(from: &rest) else { return nil }
        return Int64(bitPattern: (zigzag >> 1) ^ (0 &- (zigzag & 1)))
    }
}

/// A peer's addresses as they lie in a row: decoded when they are asked for.
public struct AddressList: Hashable, Sendable, Sequence {
    let blob: ArraySlice<UInt8>

    /// The addresses in the order to dial in. Damaged entries end the sequence.
    public func makeIterator() -> Iterator { Iterator(reader: AddressCodec.AddressReader(blob)) }

    public struct Iterator: IteratorProtocol {
        var reader: AddressCodec.AddressReader

        public mutating func next() -> Multiaddr? {
            guard let raw = reader.next() else { return nil }
            return try? Multiaddr(bytes: raw.address)
        }
    }
}
