import NIOCore

/// How Noise messages stand in a stream of bytes: each after its length, two bytes in big-endian order.
enum NoiseFrame {
    static let prefixCount = 2
    /// The longest Noise message, in bytes.
    static let byteLimit = 65_535
    /// The most plaintext of a transport message, in bytes.
    static let plaintextLimit = byteLimit - NoiseCipher.tagCount

    /// Removes a frame from the front of `bytes`.
    ///
    /// - Returns: what is in it; nil, and `bytes` as it was, while it is not whole.
    static func read(from bytes: inout ByteBuffer) -> ByteBuffer? {
        bytes.readLengthPrefixedSlice(as: UInt16.self)
    }

    /// The length that the frame at the front of `bytes` declares, as soon as it can be read.
    static func declaredCount(in bytes: ByteBuffer) -> Int? {
        bytes.getInteger(at: bytes.readerIndex, as: UInt16.self).map(Int.init)
    }

    /// - Parameter message: at most ``byteLimit`` bytes.
    static func append(_ message: some Collection<UInt8>, to output: inout ByteBuffer) {
        output.writeInteger(UInt16(clamping: message.count))
        output.writeBytes(message)
    }
}
