import NIOCore

// What a socket becomes, whoever dialled.
extension Swarm {
    func handlerSettings(_ role: Role, number: UInt64) -> ConnectionHandler.Settings {
        var muxer = YamuxSession.Configuration()
        // What is served is bounded by peer. Streams that are over on this side only take no handler, and pass.
        muxer.maximumInboundStreams = min(muxer.maximumInboundStreams, 4 * max(1, configuration.streamsPerPeer))
        return ConnectionHandler.Settings(
            role: role, keys: keys, number: number, handshakeTimeout: configuration.handshakeTimeout,
            idleTimeout: configuration.idleTimeout, lingerTimeout: configuration.lingerTimeout,
            unreadLimit: configuration.unreadLimit, unsentLimit: configuration.unsentLimit, muxer: muxer)
    }

    func add(
        _ settings: ConnectionHandler.Settings, _ events: ConnectionEvents, to channel: any Channel
    ) -> EventLoopFuture<Void> {
        let mayLive = state.withLock { state in
            guard !state.isShutDown else { return false }
            state.channels[settings.number] = channel
            return true
        }
        guard mayLive else { return channel.eventLoop.makeFailedFuture(ConnectionError(.shutDown)) }
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { state in
                state.channels[settings.number] = nil
                state.table.abandon(settings.number)
                state.wakeIfEmpty()
            }
        }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                ConnectionHandler(settings: settings, events: events, metrics: metrics, eventLoop: channel.eventLoop))
        }
    }
}
