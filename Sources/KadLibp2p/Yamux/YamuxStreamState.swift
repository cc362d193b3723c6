import Kademlia
import NIOCore

/// One stream as its session keeps it: windows, what waits to be sent, and how far it is closed.
struct YamuxStreamState {
    enum Writing: Hashable { case open, closing, closed }

    let isOurs: Bool
    let openedAt: Uptime
    /// Whether its SYN was answered: by the other end where it is ours, by us where it is theirs.
    var isAccepted = false
    /// The other end said that it sends no more.
    var hasEnded = false
    var writing = Writing.open

    /// Bytes that we may send.
    var sendWindow = YamuxFrame.initialWindow
    /// Bytes that the other end may send.
    var receiveWindow: Int
    /// Bytes that the other end announced and our reader has not taken.
    var unread = 0
    /// Waits for the other end's window.
    var queue = ByteBuffer()

    /// When something last came, or went, or was read.
    var activeAt: Uptime
    /// Since when the queue waits, and what was sent of it since.
    var stall: (since: Uptime, sent: Int)?

    init(isOurs: Bool, receiveWindow: Int, at now: Uptime) {
        self.isOurs = isOurs
        self.receiveWindow = receiveWindow
        openedAt = now
        activeAt = now
    }

    var isFinished: Bool { hasEnded && writing == .closed && unread == 0 }

    /// Queues bytes for ``send(id:upTo:stallBytes:at:into:)``.
    mutating func enqueue(_ bytes: ByteBuffer) {
        if queue.readableBytes == 0 {
            queue = bytes
        } else {
            // What was sent before must not stay in front for ever.
            queue.discardReadBytes()
            queue.writeImmutableBuffer(bytes)
        }
    }

    /// Sends what the window allows, and the end of the stream behind it.
    ///
    /// - Returns: the number of bytes, without headers.
    mutating func send(
        id: UInt32, upTo maximum: Int, stallBytes: Int, at now: Uptime, into output: inout ByteBuffer
    ) -> Int {
        var sent = 0
        while queue.readableBytes > 0, sendWindow > 0 {
            let length = min(queue.readableBytes, sendWindow, maximum)
            guard let part = queue.readSlice(length: length) else { break }
            YamuxFrame(kind: .data, stream: id, length: UInt32(length)).encode(into: &output)
            output.writeImmutableBuffer(part)
            sendWindow -= length
            sent += length
        }
        if sent > 0 { activeAt = now }
        if queue.readableBytes == 0 {
            // Lets go of the caller's bytes.
            queue = ByteBuffer()
            stall = nil
            if writing == .closing {
                YamuxFrame(kind: .windowUpdate, flags: .fin, stream: id).encode(into: &output)
                writing = .closed
                activeAt = now
            }
        } else if let progress = stall, progress.sent + sent < stallBytes {
            stall = (progress.since, progress.sent + sent)
        } else {
            stall = (now, 0)
        }
        return sent
    }

    /// What may be given back to the other end's window of `window` bytes: nothing before half of it is used, so that an
    /// update is worth its frame.
    func credit(of window: Int) -> Int {
        guard !hasEnded else { return 0 }
        let credit = window - receiveWindow - unread
        return credit * 2 >= window ? credit : 0
    }

    /// When the stream fails unless something happens before, and of what.
    func deadline(_ configuration: YamuxSession.Configuration) -> (at: Uptime, error: YamuxError)? {
        var deadline: (at: Uptime, error: YamuxError)?
        func fail(_ error: YamuxError, at time: Uptime) {
            if deadline.map({ time < $0.at }) ?? true { deadline = (time, error) }
        }
        if !isAccepted {
            fail(.acceptTimeout, at: openedAt.advanced(byMilliseconds: configuration.acceptTimeoutMilliseconds))
        }
        if let stall {
            fail(.writeTimeout, at: stall.since.advanced(byMilliseconds: configuration.writeTimeoutMilliseconds))
        }
        if hasEnded || writing != .open {
            fail(.lingered, at: activeAt.advanced(byMilliseconds: configuration.lingerMilliseconds))
        }
        return deadline
    }
}
