import Kademlia
import NIOCore

// From the bytes of the other end to frames, and what the bodies carry to streams.
extension YamuxSession {
    /// Takes all of `bytes`.
    mutating func receive(_ bytes: inout ByteBuffer, at now: Uptime) -> [Directive] {
        do throws(YamuxViolation) {
            while end == nil {
                if body != nil {
                    guard receiveBody(from: &bytes, at: now) else { break }
                } else {
                    guard let frame = try receiveHeader(from: &bytes) else { break }
                    try receive(frame, at: now)
                }
            }
        } catch {
            finish(.violation(error), telling: .protocolError)
        }
        bytes.moveReaderIndex(to: bytes.writerIndex)
        return answer()
    }

    /// A header, gathered from as many parts as it comes in.
    private mutating func receiveHeader(from bytes: inout ByteBuffer) throws(YamuxViolation) -> YamuxFrame? {
        if header.readableBytes == 0, let frame = try YamuxFrame.decode(&bytes) { return frame }
        let missing = YamuxFrame.headerLength - header.readableBytes
        if var part = bytes.readSlice(length: min(missing, bytes.readableBytes)) { header.writeBuffer(&part) }
        guard let frame = try YamuxFrame.decode(&header) else { return nil }
        header.clear()
        return frame
    }

    /// Hands on what has come of a body.
    ///
    /// - Returns: false when more must come first.
    private mutating func receiveBody(from bytes: inout ByteBuffer, at now: Uptime) -> Bool {
        guard var current = body else { return true }
        let length = min(current.remaining, bytes.readableBytes)
        guard length > 0 || current.remaining == 0, let part = bytes.readSlice(length: length) else { return false }
        current.remaining -= length
        body = current.remaining > 0 ? current : nil
        // The stream may be gone meanwhile: then the rest is skipped.
        guard let index = streams.index(forKey: current.stream) else { return true }
        streams.values[index].activeAt = now
        if length > 0 { deliver(part, on: current.stream) }
        if body == nil, current.isLast { endReading(current.stream) }
        return true
    }

    /// Small parts are gathered, and do not keep the large buffer alive that they came in: or a peer that sends single
    /// bytes would make its reader keep many times what it sent.
    private mutating func deliver(_ part: ByteBuffer, on id: UInt32) {
        let id = StreamID(number: id)
        if part.readableBytes < Self.smallPart, case .received(id, var gathered) = events.last {
            events.removeLast()
            gathered.writeImmutableBuffer(part)
            events.append(.received(id, gathered))
        } else if part.storageCapacity / 4 > part.readableBytes {
            var copy = ByteBufferAllocator().buffer(capacity: part.readableBytes)
            copy.writeImmutableBuffer(part)
            events.append(.received(id, copy))
        } else {
            events.append(.received(id, part))
        }
    }

    private static var smallPart: Int { 4 * 1024 }

    mutating func endReading(_ id: UInt32) {
        streams[id]?.hasEnded = true
        events.append(.ended(StreamID(number: id)))
        settle(id)
    }
}
