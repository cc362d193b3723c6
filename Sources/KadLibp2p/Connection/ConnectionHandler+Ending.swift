import NIOCore

// How a connection ends, by whoever's doing it is.
extension ConnectionHandler {
    /// How long a last word may take to leave: a peer that reads nothing does not keep the socket open.
    private static let farewell = TimeAmount.seconds(1)

    /// Says goodbye, then ends the connection.
    func close(_ reason: ConnectionError.Reason) {
        guard closedWith == nil else { return }
        perform(session?.goAway(at: now) ?? [])
        finish(ConnectionError(reason))
    }

    /// Ends the connection, once: everybody who waits for anything of it is told.
    func finish(_ error: ConnectionError) {
        guard closedWith == nil else { return }
        closedWith = error
        deadline?.cancel()
        idle?.cancel()
        tick?.task.cancel()
        tick = nil
        waitingWrites.removeAll()
        let ended = streams
        streams = [:]
        for stream in ended.values {
            stream.linger?.cancel()
            stream.user?.fail(error, keepingInbound: true)
        }
        events.closed(connection, error)
        connection = nil
        upgrade = nil
        session = nil
        incoming = ByteBuffer()
        plaintext = ByteBuffer()
        shutSocket()
    }

    /// Closes the socket when what was written before is sent, or a moment later.
    private func shutSocket() {
        guard let context, context.channel.isActive, unsentBytes > 0 else {
            context?.close(promise: nil)
            return
        }
        let channel = context.channel
        let forced = eventLoop.scheduleTask(in: Self.farewell) { channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in
            forced.cancel()
            channel.close(promise: nil)
        }
    }
}
