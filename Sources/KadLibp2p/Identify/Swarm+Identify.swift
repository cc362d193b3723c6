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
            await stream.closeWriting()
            try await self?.receiveIdentity(on: stream)
        }
    }

    /// Asks the other end of a new connection what it is. That it does not tell is no fault.
    func identify(_ connection: Connection) async {
        do throws(ConnectionError) {
            let stream = try await open(on: connection, speaking: [Self.identifyProtocol])
            await stream.closeWriting()
            try await receiveIdentity(on: stream)
        } catch {
            logger.debug("not identified", metadata: connection.metadata.merging(error.metadata) { $1 })
        }
    }

    private func receiveIdentity(on stream: ConnectionStream) async throws(ConnectionError) {
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
        let hooks = state.withLock { $0.identified }
        for hook in hooks { await hook(found) }
    }

    /// What this node says of itself to the other end of a connection.
    private func identity(for connection: Connection) -> [UInt8]? {
        let contact = contact(toldTo: connection.remoteAddress)
        return IdentifyCodec.encode(
            keys: keys, agent: configuration.agent, protocols: protocols, addresses: contact.addresses,
            observed: connection.remoteAddress, sequence: contact.sequence)
    }
}
