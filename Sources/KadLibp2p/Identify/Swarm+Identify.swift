import Kademlia
import Logging
import Multiformats
import NIOCore

/// Identify: what two nodes tell each other when they have met (`/ipfs/id/1.0.0`), and when it has changed
/// (`/ipfs/id/push/1.0.0`).
extension Swarm {
    static let identifyProtocol = "/ipfs/id/1.0.0"
    static let identifyPushProtocol = "/ipfs/id/push/1.0.0"

    func serveIdentify() {
        handleInternally(Self.identifyProtocol) { [weak self] stream in
            guard let self, let bytes = self.identity(for: stream.connection) else { return stream.reset() }
            let deadline = stream.expire(in: self.configuration.identifyTimeout)
            defer { deadline.cancel() }
            try await stream.write(ByteBuffer(bytes: bytes))
        }
        handleInternally(Self.identifyPushProtocol) { [weak self] stream in
            guard let self else { return stream.reset() }
            await stream.closeWriting()
            let found = try await self.receiveIdentity(on: stream)
            // Of what is left out nothing has changed, says the specification. Whoever serves this speaks some protocol.
            if found.protocols.isEmpty { await self.identify(stream.connection) } else { await self.tell(found) }
        }
    }

    /// Asks the other end of a new connection what it is. That it does not tell is no fault.
    func identify(_ connection: Connection) async {
        do throws(ConnectionError) {
            let stream = try await open(on: connection, speaking: [Self.identifyProtocol])
            await stream.closeWriting()
            await tell(try await receiveIdentity(on: stream))
        } catch {
            logger.debug("not identified", metadata: connection.metadata.merging(error.metadata) { $1 })
        }
    }

    /// Tells all peers that are connected what this node says of itself now.
    func pushIdentity() {
        for connection in state.withLock({ $0.table.all }) {
            run { [weak self] in await self?.pushIdentity(to: connection) }
        }
    }

    private func pushIdentity(to connection: Connection) async {
        do throws(ConnectionError) {
            guard let bytes = identity(for: connection) else { return }
            let stream = try await open(on: connection, speaking: [Self.identifyPushProtocol])
            let deadline = stream.expire(in: configuration.identifyTimeout)
            defer { deadline.cancel() }
            try await stream.write(ByteBuffer(bytes: bytes))
            await stream.closeWriting()
        } catch {
            // Many do not want to know.
            logger.debug("not told of a change", metadata: connection.metadata.merging(error.metadata) { $1 })
        }
    }

    private func tell(_ found: IdentifiedPeer) async {
        let hooks = state.withLock { $0.identified }
        for hook in hooks { await hook(found) }
    }

    private func receiveIdentity(on stream: ConnectionStream) async throws(ConnectionError) -> IdentifiedPeer {
        let deadline = stream.expire(in: configuration.identifyTimeout)
        defer { deadline.cancel() }
        var bytes: [UInt8] = []
        while let next = try await stream.read() {
            bytes.append(contentsOf: next.readableBytesView)
            guard bytes.count <= IdentifyCodec.byteLimit else { break }
        }
        guard let found = IdentifyCodec.decode(bytes, from: stream.connection) else {
            stream.reset()
            throw ConnectionError(.malformed)
        }
        return found
    }

    /// What this node says of itself to the other end of a connection.
    private func identity(for connection: Connection) -> [UInt8]? {
        let contact = contact(toldTo: connection.remoteAddress)
        return IdentifyCodec.encode(
            keys: keys, agent: configuration.agent, protocols: protocols, addresses: contact.addresses,
            observed: connection.remoteAddress, sequence: contact.sequence)
    }
}
