import NIOCore

/// Whole messages over a stream of bytes. One reader and one writer.
struct MessageChannel {
    let stream: any MessageStream
    private var decoder = FrameDecoder()

    init(_ stream: any MessageStream) { self.stream = stream }

    /// The next message; nil when the other end has sent its last, whole.
    ///
    /// - Parameters:
    ///   - limit: the most bytes that it may have.
    ///   - allowance: asked, whenever more has come, whether so many bytes may be held.
    mutating func read(
        limit: Int, holding allowance: (Int) -> Bool = { _ in true }
    ) async throws(KadFault) -> [UInt8]? {
        while true {
            if let message = try decoder.next(limit: limit) { return message }
            guard allowance(decoder.buffered) else { throw .noRoom }
            let bytes: ByteBuffer?
            do throws(ConnectionError) {
                bytes = try await stream.read()
            } catch {
                throw .connection(error)
            }
            guard let bytes else {
                guard decoder.isBetweenMessages else { throw .ended }
                return nil
            }
            decoder.append(bytes)
        }
    }

    func write(_ message: KadMessage) async throws(KadFault) {
        let frame = FrameDecoder.frame(try message.written())
        do throws(ConnectionError) {
            try await stream.write(frame)
        } catch {
            throw .connection(error)
        }
    }
}
