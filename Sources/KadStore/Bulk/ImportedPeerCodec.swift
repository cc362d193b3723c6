import Kademlia
import Multiformats

/// How an imported peer lies in a sorted run: the shortest form that loses nothing. Never stored for longer than an import.
struct ImportedPeerCodec {
    /// Sources are few (one a file), so they are kept once.
    private var sources: [String] = []
    private var sourceNumbers: [ExactString: Int] = [:]
    private var agents = LatestPart<String?>()
    private var protocols = LatestPart<[String]?>()

    mutating func append(_ peer: ImportedPeer, to bytes: inout [UInt8]) {
        Self.append(peer.id.bytes, to: &bytes)
        Varint.append(UInt64(number(of: peer.source)), to: &bytes)
        Self.append(peer.firstSeen, to: &bytes)
        Self.append(peer.lastSeen, to: &bytes)
        Self.append(peer.lastOK, to: &bytes)
        Varint.append(UInt64(clamping: peer.successes), to: &bytes)
        Varint.append(UInt64(peer.daysSeen), to: &bytes)
        if let rtt = peer.rtt {
            bytes.append(1)
            Self.append(rtt.smoothed, to: &bytes)
            Self.append(rtt.variation, to: &bytes)
        } else {
            bytes.append(0)
        }
        Self.framed(&bytes) { Self.append(peer.agent, to: &$0) }
        Self.framed(&bytes) { bytes in
            Varint.append(UInt64(peer.protocols.count), to: &bytes)
            for name in peer.protocols { Self.append(name, to: &bytes) }
        }
        Varint.append(UInt64(peer.addresses.count), to: &bytes)
        for entry in peer.addresses {
            Self.append(entry.address.bytes, to: &bytes)
            Self.append(entry.firstSeen, to: &bytes)
            Self.append(entry.lastSeen, to: &bytes)
            Self.append(entry.lastOK, to: &bytes)
            Varint.append(UInt64(clamping: entry.failures), to: &bytes)
        }
        Varint.append(UInt64(peer.failures.count), to: &bytes)
        for failure in peer.failures {
            Self.append(failure.address?.bytes ?? [], to: &bytes)
            bytes.append(failure.failureClass.rawValue)
            Varint.append(UInt64(clamping: failure.count), to: &bytes)
            Self.append(failure.firstAt.milliseconds, to: &bytes)
            Self.append(failure.lastAt.milliseconds, to: &bytes)
        }
    }

    /// - Throws: what a temporary file that changed under us leads to.
    mutating func read(_ payload: ArraySlice<UInt8>) throws -> ImportedPeer {
        var reader = PayloadReader(payload)
        guard let id = PeerID(try reader.bytes()) else { throw PayloadReader.damaged }
        var peer = ImportedPeer(id: id)
        peer.source = source(Int(clamping: try reader.varint()))
        peer.firstSeen = try reader.instant()
        peer.lastSeen = try reader.instant()
        peer.lastOK = try reader.instant()
        peer.successes = Int(clamping: try reader.varint())
        peer.daysSeen = UInt32(truncatingIfNeeded: try reader.varint())
        if try reader.flag() {
            peer.rtt = RTTEstimate(smoothed: try reader.integer(), variation: try reader.integer())
        }
        peer.agent = try agents.read(&reader) { try $0.string() }
        peer.protocols =
            try protocols.read(&reader) { reader in
                try reader.list { try $0.string() ?? "" }
            } ?? []
        peer.addresses = try reader.list { reader in
            var entry = ImportedPeer.Address(try Multiaddr(bytes: try reader.bytes()))
            entry.firstSeen = try reader.instant()
            entry.lastSeen = try reader.instant()
            entry.lastOK = try reader.instant()
            entry.failures = Int(clamping: try reader.varint())
            return entry
        }
        peer.failures = try reader.list { reader in
            let address = try reader.bytes()
            guard let failureClass = FailureClass(rawValue: try reader.byte()) else { throw PayloadReader.damaged }
            return FailureRecord(
                address: address.isEmpty ? nil : try Multiaddr(bytes: address), failureClass: failureClass,
                count: Int(clamping: try reader.varint()), firstAt: Instant(milliseconds: try reader.integer()),
                lastAt: Instant(milliseconds: try reader.integer()))
        }
        return peer
    }

    /// 0 is no source.
    mutating func number(of source: String?) -> Int {
        guard let source else { return 0 }
        if let number = sourceNumbers[ExactString(source)] { return number }
        sources.append(source)
        sourceNumbers[ExactString(source)] = sources.count
        return sources.count
    }

    func source(_ number: Int) -> String? { number > 0 && number <= sources.count ? sources[number - 1] : nil }

    /// What `body` appends, with its length in four bytes before it: a part that can be compared before it is read.
    private static func framed(_ bytes: inout [UInt8], _ body: (inout [UInt8]) -> Void) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: 4))
        body(&bytes)
        let count = UInt32(clamping: bytes.count - start - 4)
        for place in 0..<4 { bytes[start + place] = UInt8(truncatingIfNeeded: count >> UInt32(8 * place)) }
    }

    static func append(_ part: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        Varint.append(UInt64(part.count), to: &bytes)
        bytes.append(contentsOf: part)
    }

    /// 0 for nil, else the length plus one.
    static func append(_ text: String?, to bytes: inout [UInt8]) {
        guard let text else { return bytes.append(0) }
        Varint.append(UInt64(text.utf8.count + 1), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    static func append(_ value: Int64, to bytes: inout [UInt8]) {
        Varint.append(UInt64(bitPattern: (value << 1) ^ (value >> 63)), to: &bytes)
    }

    static func append(_ instant: Instant?, to bytes: inout [UInt8]) {
        guard let instant else { return bytes.append(0) }
        bytes.append(1)
        append(instant.milliseconds, to: &bytes)
    }
}

/// A part of a payload that is mostly the same as in the payload before: it is then not read again, and shares its storage.
private struct LatestPart<Value> {
    private var bytes: [UInt8] = []
    private var value: Value?

    mutating func read(_ reader: inout PayloadReader, _ body: (inout PayloadReader) throws -> Value) throws -> Value {
        let part = try reader.frame()
        if let value, part.count == bytes.count, part.elementsEqual(bytes) { return value }
        var inner = PayloadReader(part)
        let read = try body(&inner)
        bytes = Array(part)
        value = read
        return read
    }
}
