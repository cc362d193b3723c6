import Kademlia

/// A self-describing network address, such as `/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3Koo…`.
///
/// It is kept in its binary form, which is checked when the value is made: every value has known protocols, complete
/// components and shortest varints, so equal addresses have equal bytes and every one has a text.
///
/// The bytes are a slice, so that the addresses of a whole batch can share one buffer.
public struct Multiaddr: Hashable, Sendable, Comparable {
    /// The most bytes of the binary form. The longest that occurs in practice is a relayed WebTransport address with
    /// two certificate hashes, about 200; a garlic64 destination takes 400.
    public static let byteLimit = 1024

    /// The most bytes of text that are read: percent-encoding triples a byte.
    public static let textLimit = 4096

    /// The most components, which bounds what a walk over an address costs.
    public static let componentLimit = 32

    /// The binary form.
    public let bytes: ArraySlice<UInt8>

    /// An address that keeps `bytes`, and with it the buffer they lie in.
    ///
    /// - Throws: ``MultiaddrError`` with the offset counted from the start of the slice.
    /// - Complexity: O(n), without allocation.
    public init(bytes: ArraySlice<UInt8>) throws(MultiaddrError) {
        try bytes.withUnsafeBufferPointer(Self.check)
        self.bytes = bytes
    }

    /// An address from its binary form.
    public init(bytes: [UInt8]) throws(MultiaddrError) { try self.init(bytes: bytes[...]) }

    /// An address from its text; `/ipfs/` is read as `/p2p/`, slashes at the end are dropped.
    public init(_ text: some StringProtocol) throws(MultiaddrError) {
        self = try withUTF8(of: text) { (utf8) throws(MultiaddrError) in try Multiaddr(utf8: utf8) }
    }

    /// An address from the UTF-8 bytes of its text.
    public init(utf8 text: UnsafeBufferPointer<UInt8>) throws(MultiaddrError) {
        var bytes: [UInt8] = []
        // Text takes about twice the bytes of the binary form.
        bytes.reserveCapacity(min(text.count / 2 + 8, Self.byteLimit))
        try Self.decode(utf8: text, appendingTo: &bytes)
        self.bytes = bytes[...]
    }

    /// Appends the binary form of an address's text, so that addresses can share a buffer. On failure nothing is
    /// appended.
    public static func decode(
        utf8 text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(MultiaddrError) {
        try MultiaddrTextParser.parse(text, appendingTo: &output)
    }

    /// `/ip4|ip6/<ip>/tcp/<port>`
    public init(ip: IPAddress, tcp port: UInt16) { self.init(ip: ip, transport: .tcp, port: port) }

    /// `/ip4|ip6/<ip>/udp/<port>`
    public init(ip: IPAddress, udp port: UInt16) { self.init(ip: ip, transport: .udp, port: port) }

    private init(ip: IPAddress, transport: MultiaddrProtocol, port: UInt16) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        switch ip {
        case .v4: Varint.append(MultiaddrProtocol.ip4.rawValue, to: &bytes)
        case .v6: Varint.append(MultiaddrProtocol.ip6.rawValue, to: &bytes)
        }
        bytes.append(contentsOf: ip.bytes)
        Varint.append(transport.rawValue, to: &bytes)
        bytes.append(UInt8(truncatingIfNeeded: port >> 8))
        bytes.append(UInt8(truncatingIfNeeded: port))
        self.bytes = bytes[...]
    }

    /// For bytes that are known to be valid.
    init(unchecked bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    public static func == (left: Multiaddr, right: Multiaddr) -> Bool { left.bytes.hasSameBytes(as: right.bytes) }

    public func hash(into hasher: inout Hasher) { bytes.hashBytes(into: &hasher) }

    /// Lexicographic order of the binary form.
    public static func < (left: Multiaddr, right: Multiaddr) -> Bool { left.bytes.isOrdered(before: right.bytes) }

    private static func check(_ bytes: UnsafeBufferPointer<UInt8>) throws(MultiaddrError) {
        guard !bytes.isEmpty else { throw MultiaddrError(reason: .empty, offset: 0, component: 0) }
        guard bytes.count <= byteLimit else {
            throw MultiaddrError(
                reason: .tooLong(count: bytes.count, maximum: byteLimit), offset: byteLimit, component: 0)
        }
        var reader = ComponentReader()
        while let (name, value) = try reader.next(in: bytes) {
            guard let problem = name.value.problem(with: bytes.part(value), of: name) else { continue }
            throw MultiaddrError(reason: problem, offset: value.lowerBound, component: reader.count - 1)
        }
    }
}
