import Kademlia
import NIOCore

// What our own side wants.
extension YamuxSession {
    /// Opens a stream. It may be written at once: the other end need not have accepted it.
    mutating func open(at now: Uptime) throws(YamuxError) -> (StreamID, [Directive]) {
        if let end { throw end }
        if isLeaving { throw .closed }
        if let theirGoAway { throw .goneAway(theirGoAway) }
        guard outbound.open < configuration.maximumOutboundStreams else { throw .streamLimit }
        guard outbound.backlog < configuration.maximumBacklog else { throw .backlogFull }
        guard let id = UInt32(exactly: nextID) else { throw .idsExhausted }
        nextID += 2
        insert(id, isOurs: true, receiveWindow: Int(configuration.receiveWindow), at: now)
        send(.windowUpdate, .syn, stream: id, length: additionalWindow)
        return (StreamID(number: id), answer())
    }

    /// What a stream's window has beyond the specification's.
    private var additionalWindow: UInt32 { configuration.receiveWindow - UInt32(YamuxFrame.initialWindow) }

    /// Takes a stream that the other end opened. Reading, writing or closing it takes it too.
    mutating func accept(_ id: StreamID, at now: Uptime) -> [Directive] {
        acknowledge(id.number)
        return answer()
    }

    private mutating func acknowledge(_ id: UInt32) {
        guard let stream = streams[id], !stream.isOurs, !stream.isAccepted else { return }
        let more = additionalWindow
        markAccepted(id)
        streams[id]?.receiveWindow += Int(more)
        send(.windowUpdate, .ack, stream: id, length: more)
    }

    /// Queues bytes, and sends what the window allows. ``Directive/drained(_:)`` comes, now or later, when all are sent:
    /// writers wait for it, and write in parts of some ten KiB.
    ///
    /// - Throws: ``YamuxError/notWritable``, ``YamuxError/sendLimit``, or why the session is over. Nothing is queued then.
    mutating func write(_ bytes: ByteBuffer, on id: StreamID, at now: Uptime) throws(YamuxError) -> [Directive] {
        if let end { throw end }
        guard let stream = streams[id.number], stream.writing == .open else { throw .notWritable }
        let (total, overflow) = queued.addingReportingOverflow(bytes.readableBytes)
        guard !overflow, total <= configuration.maximumQueuedBytes else { throw .sendLimit }
        acknowledge(id.number)
        guard bytes.readableBytes > 0 || stream.queue.readableBytes > 0 else {
            events.append(.drained(id))
            return answer()
        }
        queued = total
        enqueue(bytes, on: id.number)
        flush(id.number, at: now)
        return answer()
    }

    private mutating func enqueue(_ bytes: ByteBuffer, on id: UInt32) {
        guard let index = streams.index(forKey: id) else { return }
        streams.values[index].enqueue(bytes)
    }

    /// The reader took so many bytes.
    mutating func consumed(_ count: Int, on id: StreamID, at now: Uptime) -> [Directive] {
        guard let stream = streams[id.number] else { return [] }
        acknowledge(id.number)
        let count = max(0, min(count, stream.unread))
        buffered -= count
        streams[id.number]?.unread -= count
        streams[id.number]?.activeAt = now
        openWithheldWindows()
        openWindow(id.number)
        settle(id.number)
        return answer()
    }

    /// Sends no more than what is queued.
    mutating func closeWriting(_ id: StreamID, at now: Uptime) -> [Directive] {
        guard let stream = streams[id.number], stream.writing == .open else { return [] }
        acknowledge(id.number)
        streams[id.number]?.writing = .closing
        streams[id.number]?.activeAt = now
        flush(id.number, at: now)
        return answer()
    }

    /// Ends a stream at once in both directions, and drops what is queued. No ``Directive/failed(_:_:)`` follows.
    mutating func reset(_ id: StreamID, at now: Uptime) -> [Directive] {
        guard streams[id.number] != nil else { return [] }
        send(.windowUpdate, .rst, stream: id.number)
        remove(id.number)
        return answer()
    }

    /// Takes and opens no new streams. The session closes when the last one is over, now if there is none.
    mutating func goAway(at now: Uptime) -> [Directive] {
        guard end == nil, !isLeaving else { return [] }
        isLeaving = true
        send(.goAway, length: YamuxGoAway.normal.rawValue)
        if streams.isEmpty { finish(.closed) }
        return answer()
    }

    /// Ends the session at once.
    mutating func close(at now: Uptime) -> [Directive] {
        finish(.closed, telling: isLeaving ? nil : .normal)
        return answer()
    }

    /// The connection is gone.
    mutating func disconnected(at now: Uptime) -> [Directive] {
        finish(.disconnected)
        return answer()
    }
}
