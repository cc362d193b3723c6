import NIOCore

/// The header of a Yamux frame: 12 bytes, all numbers big-endian.
///
///     version (8 bits, 0) | type (8) | flags (16) | stream id (32) | length (32)
///
/// Source: <https://github.com/hashicorp/yamux/blob/master/spec.md>
struct YamuxFrame: Hashable, Sendable {
    enum Kind: UInt8, Hashable, Sendable {
        /// `length` bytes of a stream follow.
        case data = 0
        /// The other end may send `length` bytes more.
        case windowUpdate = 1
        /// `length` is an opaque value, to be sent back.
        case ping = 2
        /// `length` is a ``YamuxGoAway``.
        case goAway = 3
    }

    struct Flags: OptionSet, Hashable, Sendable {
        let rawValue: UInt16
        /// Opens a stream; asks, on a ping.
        static let syn = Flags(rawValue: 1)
        /// Accepts a stream; answers, on a ping.
        static let ack = Flags(rawValue: 2)
        /// The sender will send no more on the stream.
        static let fin = Flags(rawValue: 4)
        /// The stream is over in both directions.
        static let rst = Flags(rawValue: 8)
    }

    static let version: UInt8 = 0
    static let headerLength = 12
    /// What either end may send on a new stream, in bytes: the specification's, not to be configured.
    static let initialWindow = 256 * 1024

    var kind: Kind
    var flags: Flags = []
    /// The number of the stream; 0 for the session.
    var stream: UInt32 = 0
    var length: UInt32 = 0

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(Self.version, kind.rawValue, flags.rawValue, stream, length)
    }

    /// Takes a header from the front; nil, and nothing is taken, when it is not there whole. Flags that the specification
    /// does not know are kept and mean nothing.
    static func decode(_ buffer: inout ByteBuffer) throws(YamuxViolation) -> YamuxFrame? {
        guard
            let (version, kind, flags, stream, length) = buffer.readMultipleIntegers(
                as: (UInt8, UInt8, UInt16, UInt32, UInt32).self)
        else { return nil }
        guard version == Self.version else { throw .version(version) }
        guard let kind = Kind(rawValue: kind) else { throw .frameType(kind) }
        return YamuxFrame(kind: kind, flags: Flags(rawValue: flags), stream: stream, length: length)
    }
}

/// Why an end takes no new streams.
struct YamuxGoAway: RawRepresentable, Hashable, Sendable {
    let rawValue: UInt32
    static let normal = YamuxGoAway(rawValue: 0)
    static let protocolError = YamuxGoAway(rawValue: 1)
    static let internalError = YamuxGoAway(rawValue: 2)
}
