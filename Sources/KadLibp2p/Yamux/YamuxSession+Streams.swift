import Kademlia
import NIOCore

// What a stream goes through, whoever's doing it is.
extension YamuxSession {
    mutating func insert(_ id: UInt32, isOurs: Bool, receiveWindow: Int, at now: Uptime) {
        streams[id] = YamuxStreamState(isOurs: isOurs, receiveWindow: receiveWindow, at: now)
        count(isOurs) { tally in
            tally.open += 1
            tally.backlog += 1
        }
        watch(id)
    }

    private mutating func count(_ isOurs: Bool, _ change: (inout Tally) -> Void) {
        if isOurs { change(&outbound) } else { change(&inbound) }
    }

    /// The stream has left its backlog.
    mutating func markAccepted(_ id: UInt32) {
        guard let stream = streams[id], !stream.isAccepted else { return }
        streams[id]?.isAccepted = true
        count(stream.isOurs) { $0.backlog -= 1 }
    }

    /// Sends what a stream's window allows.
    mutating func flush(_ id: UInt32, at now: Uptime) {
        guard let index = streams.index(forKey: id) else { return }
        let waited = streams.values[index].queue.readableBytes
        let sent = streams.values[index].send(
            id: id, upTo: configuration.maximumFrameBytes, stallBytes: configuration.stallBytes, at: now, into: &output)
        queued -= sent
        updateCredit = min(Self.maximumUpdateCredit, updateCredit + sent)
        if waited > 0, sent == waited { events.append(.drained(StreamID(number: id))) }
        settle(id)
    }

    /// Gives the other end back what was read of its window, unless too much is unread on the whole.
    mutating func openWindow(_ id: UInt32) {
        guard let stream = streams[id] else { return }
        let credit = stream.credit(of: Int(configuration.receiveWindow))
        guard credit > 0 else { return }
        guard buffered + credit <= configuration.maximumBufferedBytes else {
            if !withheld.contains(id) { withheld.append(id) }
            return
        }
        streams[id]?.receiveWindow += credit
        send(.windowUpdate, stream: id, length: UInt32(clamping: credit))
    }

    /// Opens the windows that had to wait, as far as there is room again.
    mutating func openWithheldWindows() {
        while let id = withheld.first {
            let credit = streams[id]?.credit(of: Int(configuration.receiveWindow)) ?? 0
            guard buffered + credit <= configuration.maximumBufferedBytes else { return }
            withheld.removeFirst()
            openWindow(id)
        }
    }

    /// Forgets a stream that is over, and minds the deadline of one that is not.
    mutating func settle(_ id: UInt32) {
        if streams[id]?.isFinished == true { remove(id) } else { watch(id) }
    }

    /// The stream is over before its time.
    mutating func fail(_ id: UInt32, _ error: YamuxError, resets: Bool) {
        if resets { send(.windowUpdate, .rst, stream: id) }
        events.append(.failed(StreamID(number: id), error))
        remove(id)
    }

    mutating func remove(_ id: UInt32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        buffered -= stream.unread
        queued -= stream.queue.readableBytes
        count(stream.isOurs) { tally in
            tally.open -= 1
            if !stream.isAccepted { tally.backlog -= 1 }
        }
        gone.insert(id, window: stream.receiveWindow)
        withheld.removeAll { $0 == id }
        openWithheldWindows()
        if isLeaving, streams.isEmpty { finish(.closed) }
    }

    /// The session is over.
    ///
    /// - Parameter code: what the other end is told; nil when it is not to be told, or cannot.
    mutating func finish(_ error: YamuxError, telling code: YamuxGoAway? = nil) {
        guard end == nil else { return }
        end = error
        if let code { send(.goAway, length: code.rawValue) }
        events += streams.keys.sorted().map { .failed(StreamID(number: $0), error) }
        events.append(.closed(error))
        streams = [:]
        withheld = []
        (buffered, queued, inbound, outbound) = (0, 0, Tally(), Tally())
        (header, body, earliestDeadline) = (ByteBuffer(), nil, nil)
    }

    private mutating func watch(_ id: UInt32) {
        guard let deadline = streams[id]?.deadline(configuration)?.at else { return }
        earliestDeadline = min(earliestDeadline ?? deadline, deadline)
    }
}
