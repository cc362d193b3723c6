import NIOCore

extension ConnectionHandler {
    /// A stream, as its connection knows it. The user holds it; when the user drops it, the connection closes it.
    struct OpenStream {
        weak var user: ConnectionStream?
        /// When a half-open stream that nobody holds any more is reset.
        var linger: Scheduled<Void>?
    }

    /// Does what the session asks for, and sends what there is to send.
    func perform(_ directives: [YamuxSession.Directive]) {
        for directive in directives {
            switch directive {
            case .send(var bytes): outgoing.writeBuffer(&bytes)
            case .opened(let id): opened(id)
            case .accepted: break
            case .received(let id, let bytes): received(bytes, on: id)
            case .ended(let id): ended(id)
            case .failed(let id, let error): drop(id, ConnectionError(muxer: error))
            case .drained(let id):
                streams[id]?.user?.drained()
                forgetIfOver(id)
            case .goneAway: if let connection { events.retired(connection) }
            case .closed(let error):
                flush()
                return finish(ConnectionError(muxer: error))
            }
        }
        flush()
    }

    // MARK: From the session

    private func opened(_ id: YamuxSession.StreamID) {
        guard let connection else { return }
        let stream = ConnectionStream(connection: connection, id: id)
        streams[id] = OpenStream(user: stream)
        countStreams()
        events.opened(stream)
        // It may have been refused, and is reset then.
        if streams[id] != nil { perform(session?.accept(id, at: now) ?? []) }
    }

    private func received(_ bytes: ByteBuffer, on id: YamuxSession.StreamID) {
        guard let user = streams[id]?.user else {
            // Nobody will read it. The other end may finish what it has to say.
            return consumed(bytes.readableBytes, on: id)
        }
        user.receive(bytes)
    }

    private func ended(_ id: YamuxSession.StreamID) {
        streams[id]?.user?.end()
        forgetIfOver(id)
    }

    // MARK: From the user

    /// - Parameter isNew: whether the connection was made for this stream.
    func open(isNew: Bool = false) -> Result<ConnectionStream, ConnectionError> {
        guard let connection else { return .failure(over(isNew: isNew)) }
        do throws(YamuxError) {
            guard let (id, directives) = try session?.open(at: now) else { return .failure(over(isNew: isNew)) }
            let stream = ConnectionStream(connection: connection, id: id)
            streams[id] = OpenStream(user: stream)
            countStreams()
            perform(directives)
            return .success(stream)
        } catch {
            return .failure(ConnectionError(muxer: error))
        }
    }

    /// What somebody is told who comes when all is over. Why it ended was told to those who were there: who comes later was
    /// struck by nothing, and may have another connection. But who had it made is told how the peer broke the rules on it, however
    /// soon that was: else a peer that does so at once would be dialled for ever.
    private func over(isNew: Bool) -> ConnectionError {
        guard let closedWith else { return ConnectionError(.closedByPeer) }
        guard closedWith.isOfConnection || (isNew && closedWith.failureClass.isMisbehaviour) else {
            return ConnectionError(.muxer(.closed))
        }
        return closedWith
    }

    /// Passes a piece on when the socket takes it: what is queued here is a piece a stream at most.
    func write(_ bytes: ByteBuffer, on stream: ConnectionStream) {
        // Nobody would ever take it out of the queue again, and the stream and its connection would hold each other.
        guard closedWith == nil else { return stream.drained(.failure(over(isNew: false))) }
        guard let context, context.channel.isWritable, waitingWrites.isEmpty else {
            return waitingWrites.append((stream, bytes))
        }
        pass(bytes, on: stream)
    }

    func resumeWrites() {
        while let context, context.channel.isWritable, let (stream, bytes) = waitingWrites.popFirst() {
            pass(bytes, on: stream)
        }
    }

    private func pass(_ bytes: ByteBuffer, on stream: ConnectionStream) {
        guard streams[stream.id] != nil, session != nil else {
            return stream.drained(.failure(ConnectionError(.muxer(.notWritable))))
        }
        do throws(YamuxError) {
            perform(try session?.write(bytes, on: stream.id, at: now) ?? [])
        } catch {
            stream.drained(.failure(ConnectionError(muxer: error)))
        }
    }

    func consumed(_ count: Int, on id: YamuxSession.StreamID) {
        guard streams[id] != nil else { return }
        perform(session?.consumed(count, on: id, at: now) ?? [])
        forgetIfOver(id)
    }

    func closeWriting(_ id: YamuxSession.StreamID) {
        guard streams[id] != nil else { return }
        // A piece that waits for the socket goes first.
        if let index = waitingWrites.firstIndex(where: { $0.stream.id == id }) {
            let waiting = waitingWrites.remove(at: index)
            pass(waiting.bytes, on: waiting.stream)
        }
        perform(session?.closeWriting(id, at: now) ?? [])
        forgetIfOver(id)
    }

    func reset(_ id: YamuxSession.StreamID) {
        guard streams[id] != nil else { return }
        let directives = session?.reset(id, at: now) ?? []
        drop(id, ConnectionError(.cancelled))
        perform(directives)
    }

    /// Nobody holds it any more. When all has been said, the other end gets a while to finish; else it is reset.
    func abandon(_ id: YamuxSession.StreamID) {
        guard streams[id] != nil, let state = session?.streams[id.number] else { return }
        guard state.writing != .open else { return reset(id) }
        streams[id]?.linger = linger(id)
        consumed(state.unread, on: id)
    }

    // MARK: Book-keeping

    private func forgetIfOver(_ id: YamuxSession.StreamID) {
        if session?.streams[id.number] == nil { forget(id) }
    }

    private func drop(_ id: YamuxSession.StreamID, _ error: ConnectionError) {
        guard let stream = streams[id] else { return }
        forget(id)
        stream.user?.fail(error, keepingInbound: true)
    }

    private func forget(_ id: YamuxSession.StreamID) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        stream.linger?.cancel()
        countStreams()
    }
}
