import Kademlia
import Logging
import Multiformats

// What connections report, and what is told of it.
extension Swarm {
    /// What a connection's handler reports. The swarm is held by nothing that it owns.
    var events: ConnectionEvents {
        ConnectionEvents(
            established: { [weak self] in self?.established($0) ?? (self == nil ? ConnectionError(.shutDown) : nil) },
            opened: { [weak self] in self?.opened($0) },
            retired: { [weak self] in self?.retire($0) },
            closed: { [weak self] in self?.closed($0, $1) },
            streams: { [weak self] connection, count in
                self?.state.withLock { $0.table.setStreams(count, of: connection) }
            })
    }

    private func established(_ connection: Connection) -> ConnectionError? {
        let (leaving, isShutDown, count, hooks) = state.withLock { state in
            let leaving = state.isShutDown ? nil : state.table.insert(connection)
            return (leaving, state.isShutDown, state.table.count, state.connected)
        }
        guard let leaving else {
            metrics.refusedConnection()
            return ConnectionError(isShutDown ? .shutDown : .limit)
        }
        // A stream that is opened on one of them at this moment finds it closed, and another connection is dialled for it.
        for other in leaving { other.close(.muxer(.closed)) }
        metrics.established(connection.role)
        metrics.state(connections: count)
        logger.debug("connected", metadata: connection.metadata)
        for hook in hooks { hook(ConnectedPeer(connection)) }
        run { [weak self] in await self?.identify(connection) }
        return nil
    }

    /// Takes a connection out of use for new streams.
    func retire(_ connection: Connection) { state.withLock { $0.table.retire(connection) } }

    private func closed(_ connection: Connection?, _ error: ConnectionError) {
        let count = state.withLock { state in
            if let connection { state.table.remove(connection) }
            return state.table.count
        }
        metrics.state(connections: count)
        if let connection {
            logger.debug("disconnected", metadata: connection.metadata.merging(error.metadata) { $1 })
        } else {
            metrics.failedHandshake(error.failureClass)
            logger.debug("handshake failed", metadata: error.metadata)
        }
    }
}

/// A connection that has just been secured.
public struct ConnectedPeer: Hashable, Sendable {
    public let peer: PeerID
    /// Where it is: as it was dialled, or where it came from.
    public let address: Multiaddr
    /// Whether this node dialled.
    public let isDialled: Bool

    init(_ connection: Connection) {
        peer = connection.remote
        address = connection.remoteAddress
        isDialled = connection.role == .dialer
    }
}

extension Connection {
    var metadata: Logger.Metadata {
        [
            "peer": "\(PeerIDEncoding.libp2p.encode(remote))", "address": "\(remoteAddress)",
            "direction": role == .dialer ? "out" : "in",
        ]
    }
}

extension ConnectionError {
    var metadata: Logger.Metadata { ["reason": "\(self)", "class": "\(failureClass.name)"] }
}
