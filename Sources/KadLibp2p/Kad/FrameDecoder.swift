import Multiformats
import NIOCore

/// Cuts a stream into messages, each behind its length as a varint.
///
/// A stated length reserves nothing: memory grows with the bytes that have come. A length over the limit is refused at once,
/// before any of the body is taken.
struct FrameDecoder {
    private var buffer = ByteBuffer()
    /// Of the message that is under way, once it is known.
    private var length: Int?

    /// Bytes that are held.
    var buffered: Int { buffer.readableBytes }

    /// Whether nothing of a next message has come.
    var isBetweenMessages: Bool { length == nil && buffer.readableBytes == 0 }

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        guard buffer.readableBytes > 0 else {
            // Taken as it is: most messages come in one piece.
            buffer = bytes
            return
        }
        // What was read makes room, or messages without a gap between them would have the buffer grow for ever.
        if buffer.readerIndex > buffer.readableBytes { buffer.discardReadBytes() }
        buffer.writeBuffer(&bytes)
    }

    /// The next message, as soon as it is whole; nil until then.
    ///
    /// - Parameter limit: the most bytes that it may have.
    /// - Throws: ``KadFault``: `tooLong`, `malformedLength`.
    mutating func next(limit: Int) throws(KadFault) -> [UInt8]? {
        if length == nil {
            guard let stated = try readLength() else { return nil }
            guard stated <= UInt64(limit) else { throw .tooLong(stated: stated, limit: limit) }
            length = Int(stated)
        }
        guard let length, let message = buffer.readBytes(length: length) else { return nil }
        self.length = nil
        // A stream that idles after a large message keeps none of it.
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return message
    }

    private mutating func readLength() throws(KadFault) -> UInt64? {
        var bytes = Array(buffer.readableBytesView.prefix(Varint.byteLimit))[...]
        let available = bytes.count
        do throws(VarintError) {
            let stated = try Varint.read(from: &bytes)
            buffer.moveReaderIndex(forwardBy: available - bytes.count)
            return stated
        } catch {
            switch error {
            case .truncated: return nil
            case .tooLong, .notMinimal: throw .malformedLength
            }
        }
    }

    /// A message behind its length.
    static func frame(_ message: [UInt8]) -> ByteBuffer {
        var prefix: [UInt8] = []
        Varint.append(UInt64(message.count), to: &prefix)
        var frame = ByteBuffer()
        frame.reserveCapacity(prefix.count + message.count)
        frame.writeBytes(prefix)
        frame.writeBytes(message)
        return frame
    }
}
