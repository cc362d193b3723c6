import Logging
import Multiformats

extension Swarm {
    /// The other end opened a stream: agrees on a protocol and serves it, where no limit is against it.
    func opened(_ stream: ConnectionStream) {
        let peer = stream.remote
        let protocols = state.withLock { state -> [String]? in
            let count = state.served[peer, default: 0]
            guard !state.isShutDown, count < share(of: state.servedCount) else { return nil }
            state.served[peer] = count + 1
            state.servedCount += 1
            return Array(state.handlers.keys)
        }
        guard let protocols else {
            metrics.refusedStream()
            logger.debug("stream refused: over the limit", metadata: stream.connection.metadata)
            return stream.reset()
        }
        metrics.servedStream()
        run { [weak self] in
            await self?.serve(stream, protocols)
            self?.release(peer)
        }
    }

    /// How many streams one peer may have while so many are served: the fuller it is, the fewer. Peers that keep as many as they
    /// can so leave room, and whoever comes anew has one as long as there is any.
    private func share(of served: Int) -> Int {
        let (most, limit) = (configuration.streamsPerPeer, configuration.streamLimit)
        guard served < limit else { return 0 }
        let share = Double(limit - served) / Double(limit) * Double(most)
        return min(most, Int(exactly: share.rounded(.up)) ?? most)
    }

    private func release(_ peer: PeerID) {
        state.withLock { state in
            state.servedCount -= 1
            let count = state.served[peer, default: 1] - 1
            state.served[peer] = count > 0 ? count : nil
        }
    }

    private func serve(_ stream: ConnectionStream, _ protocols: [String]) async {
        do {
            let agreed = try await stream.agree(
                as: .listener, on: protocols, within: configuration.negotiationTimeout)
            guard let handler = state.withLock({ $0.handlers[agreed] }) else { return stream.reset() }
            try await handler(stream)
            await stream.closeWriting()
        } catch {
            let reason = (error as? ConnectionError)?.description ?? "\(type(of: error))"
            logger.debug("stream failed", metadata: stream.connection.metadata.merging(["reason": "\(reason)"]) { $1 })
            stream.reset()
        }
    }

    // MARK: Tasks

    /// Runs something that a shutdown cancels and waits for.
    func run(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            guard !state.isShutDown else { return }
            let number = state.nextNumber()
            // It cannot end before it is in the table: its end takes the same lock.
            state.tasks[number] = Task { [weak self] in
                await body()
                self?.ended(number)
            }
        }
    }

    private func ended(_ number: UInt64) {
        state.withLock { state in
            state.tasks[number] = nil
            state.wakeIfEmpty()
        }
    }

    /// Ends everything: listeners, dials, streams and connections, after a word to the other ends. Returns when all of it is
    /// gone, or ``SwarmConfiguration/shutdownTimeout`` later. Nothing can be begun any more.
    public func shutdown() async {
        let (listeners, connections, handshakes, tasks, dials) = state.withLock { state in
            state.isShutDown = true
            defer { state.dials = [:] }
            let connected = Set(state.table.all.map(\.number))
            return (
                state.listeners, state.table.all,
                state.channels.filter { !connected.contains($0.key) }.map(\.value), Array(state.tasks.values),
                Array(state.dials.values)
            )
        }
        for dial in dials {
            dial.task.cancel()
            for waiter in dial.waiters.values { waiter.answer.complete(.failure(ConnectionError(.shutDown))) }
        }
        for task in tasks { task.cancel() }
        for listener in listeners { try? await listener.channel.close().get() }
        for connection in connections { connection.close(.shutDown) }
        for channel in handshakes { channel.close(promise: nil) }
        state.withLock { $0.listeners = [] }
        let limit = Task { [weak self, configuration] in
            guard (try? await Task.sleep(for: configuration.shutdownTimeout)) != nil else { return }
            self?.stopWaiting()
        }
        await withCheckedContinuation { continuation in
            state.withLock { state in
                state.waiting.append(continuation)
                state.wakeIfEmpty()
            }
        }
        limit.cancel()
    }

    private func stopWaiting() {
        let (waiting, tasks) = state.withLock { state in
            defer { state.waiting = [] }
            return (state.waiting, state.tasks.count)
        }
        guard !waiting.isEmpty else { return }
        logger.warning("handlers did not end", metadata: ["count": "\(tasks)"])
        for continuation in waiting { continuation.resume() }
    }
}
