import Kademlia
import Multiformats

/// How an imported peer lies in a sorted run: the shortest form that loses nothing. Never stored for longer than an import.
struct ImportedPeerCodec {
    /// Sources are few (one a file), so they are kept once.
    private var sources: [String] = []
    private var sourceNumbers: [String: Int] = [:]

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
        Self.append(peer.agent, to: &bytes)
        Varint.append(UInt64(peer.protocols.count), to: &bytes)
        for name in peer.protocols { Self.append(name, to: &bytes) }
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
    func read(_ payload: ArraySlice<UInt8>) throws -> ImportedPeer {
        var rest = payload
        guard let id = PeerID(try Self.bytes(&rest)) else { throw Self.damaged }
        var peer = ImportedPeer(id: id)
        let source = Int(clamping: try Varint.read(from: &rest))
        peer.source = source > 0 && source <= sources.count ? sources[source - 1] : nil
        peer.firstSeen = try Self.instant(&rest)
        peer.lastSeen = try Self.instant(&rest)
        peer.lastOK = try Self.instant(&rest)
        peer.successes = Int(clamping: try Varint.read(from: &rest))
        peer.daysSeen = UInt32(truncatingIfNeeded: try Varint.read(from: &rest))
        if rest.popFirst() == 1 {
            peer.rtt = RTTEstimate(smoothed: try Self.integer(&rest), variation: try Self.integer(&rest))
        }
        peer.agent = try Self.string(&rest)
        let protocols = try Varint.read(from: &rest)
        for _ in 0..<min(protocols, UInt64(rest.count)) {
            if let name = try Self.string(&rest) { peer.protocols.append(name) }
        }
        let addresses = try Varint.read(from: &rest)
        for _ in 0..<min(addresses, UInt64(rest.count)) {
            var entry = ImportedPeer.Address(try Multiaddr(bytes: try Self.bytes(&rest)))
            entry.firstSeen = try Self.instant(&rest)
            entry.lastSeen = try Self.instant(&rest)
            entry.lastOK = try Self.instant(&rest)
            entry.failures = Int(clamping: try Varint.read(from: &rest))
            peer.addresses.append(entry)
        }
        let failures = try Varint.read(from: &rest)
        for _ in 0..<min(failures, UInt64(rest.count)) {
            let address = try Self.bytes(&rest)
            guard let failureClass = FailureClass(rawValue: rest.popFirst() ?? 0) else { throw Self.damaged }
            peer.failures.append(
                FailureRecord(
                    address: address.isEmpty ? nil : try Multiaddr(bytes: address), failureClass: failureClass,
                    count: Int(clamping: try Varint.read(from: &rest)),
                    firstAt: Instant(milliseconds: try Self.integer(&rest)),
                    lastAt: Instant(milliseconds: try Self.integer(&rest))))
        }
        return peer
    }

    private static let damaged = StoreError.invalidRecord("a temporary file of the import has changed; run it again")

    /// 0 is no source.
    mutating func number(of source: String?) -> Int {
        guard let source else { return 0 }
        if let number = sourceNumbers[source] { return number }
        sources.append(source)
        sourceNumbers[source] = sources.count
        return sources.count
    }

    func source(_ number: Int) -> String? { number > 0 && number <= sources.count ? sources[number - 1] : nil }

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

    static func bytes(_ rest: inout ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        let count = try Varint.read(from: &rest)
        guard count <= UInt64(rest.count) else { throw damaged }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    static func string(_ rest: inout ArraySlice<UInt8>) throws -> String? {
        let count = try Varint.read(from: &rest)
        guard count > 0 else { return nil }
        guard count - 1 <= UInt64(rest.count) else { throw damaged }
        defer { rest = rest.dropFirst(Int(count - 1)) }
        return String(decoding: rest.prefix(Int(count - 1)), as: UTF8.self)
    }

    static func integer(_ rest: inout ArraySlice<UInt8>) throws -> Int64 {
        let zigzag = try Varint.read(from: &rest)
        return Int64(bitPattern: (zigzag >> 1) ^ (0 &- (zigzag & 1)))
    }

    static func instant(_ rest: inout ArraySlice<UInt8>) throws -> Instant? {
        guard rest.popFirst() == 1 else { return nil }
        return Instant(milliseconds: try integer(&rest))
    }
}
